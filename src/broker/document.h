/* The YAML of a configuration file, walked strictly along the schema. */
#pragma once

#include "broker/assembly.h"

#define MT_DOCUMENT_BYTES_MAX 262144u
#define MT_DOCUMENT_KEYS_MAX 512u

/*
 * Puts every value of `text` into the assembly; every fault goes into its report, with `file` and
 * the line. One document of plain maps and scalars: no anchors, aliases, tags or second document,
 * no key twice. MT_MEMORY is the only failure that is not a fault of the text.
 */
MT_MUST_USE enum mt_status mt_document_read(struct mt_bytes text, const char *file,
					    struct mt_assembly *assembly);
