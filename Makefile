# What a contributor types. Everything that needs thought is a program in tests/.

GO ?= go
PREFIX ?= /usr/local
# A system tree for `make demo` and `make bench`; empty: they make their own.
TREE ?=

# Pure Go: OpenPGP without gpgme, no Docker daemon, no C compiler.
export CGO_ENABLED = 0
export GOFLAGS := $(GOFLAGS) -tags=containers_image_openpgp,containers_image_docker_daemon_stub

.PHONY: build test demo bench lint install clean

build:
	$(GO) build -trimpath -ldflags='-s -w' -o treenail ./cmd/treenail

test:
	tests/deps
	$(GO) test -count=1 -timeout 20m ./...

demo: build
	$(GO) run ./tests/demo -treenail ./treenail -tree '$(TREE)'

bench: build
	tests/deps
	$(GO) run ./tests/bench -treenail ./treenail -tree '$(TREE)'

lint:
	golangci-lint run ./...

install: build
	install -D -m 0755 treenail $(DESTDIR)$(PREFIX)/bin/treenail

clean:
	rm -f treenail
