/* Tags a test with the normative statement it proves: SPEC(MQTT5, "3.3.1-4"); `make spec` collects
 * them. */
#pragma once

#define SPEC(standard, id) ((void)(id))
