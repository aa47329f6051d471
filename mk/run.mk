# Trying it out, and installing it.
PREFIX ?= /usr/local
DESTDIR ?=

run: ## build, then a broker on PORT (8883) with its state in ./state
	@tools/setup run
	@$(MAKE) --no-print-directory -j2 V=release all
	@exec tools/run $(PORT)

install: all ## install programs, library and headers below DESTDIR PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include/mortise
	install -d $(DESTDIR)$(PREFIX)/share/doc/mortise/examples
	install -m 755 $(B)/mortised $(B)/mortise $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(B)/libmortise.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(B)/libmortise.so $(DESTDIR)$(PREFIX)/lib/libmortise.so.0
	ln -sf libmortise.so.0 $(DESTDIR)$(PREFIX)/lib/libmortise.so
	install -m 644 include/mortise/*.h $(DESTDIR)$(PREFIX)/include/mortise
	install -m 644 examples/*.yaml $(DESTDIR)$(PREFIX)/share/doc/mortise/examples

help: ## this list
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile mk/*.mk | LC_ALL=C sort | expand -t 16
.PHONY: run install help
man: ## man pages below build/man, from spec/commands.tbl
	tools/man build/man
.PHONY: man
