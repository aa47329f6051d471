# One makefile for everything. `make help` lists the targets; V=release|debug|asan|tsan|fuzz|cov picks the variant.
V ?= release
PORT ?= 8883
B := build/$(V)
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

include mk/variants.mk
include mk/build.mk
include mk/tests.mk
include mk/checks.mk
include mk/run.mk
include mk/bench.mk
