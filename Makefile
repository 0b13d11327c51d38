# The commands of the README. Each first asks scripts/require.sh whether this machine can do it, and answers with one
# sentence if it cannot.

.DEFAULT_GOAL := build
.PHONY: build image test demo bench faults sanity format lint clean help

scripts := ./scripts

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand --tabs=10

build: ## build release binaries into .build-release/ and print their sizes
	@$(scripts)/require.sh linux swift
	@$(scripts)/install-dependencies.sh build
	@$(scripts)/build-release.sh

image: ## write the image's files into .build-image/root as its Containerfile does, and run its programs in them
	@MAKE_TARGET=image $(scripts)/require.sh linux swift fuse root
	@$(scripts)/install-dependencies.sh build test
	@$(scripts)/image.sh

demo: ## provision, publish, read, write, unpublish and delete a volume, step by step
	@MAKE_TARGET=demo $(scripts)/require.sh linux swift fuse root
	@$(scripts)/install-dependencies.sh build test
	@$(scripts)/demo.sh

test: ## run everything: unit, mount, conformance, third-party, sanitizers, leak check
	@$(scripts)/test.sh

sanity: ## run the upstream csi-sanity (on PATH or in $CSI_SANITY) against the plugin with real mounts
	@MAKE_TARGET=sanity $(scripts)/require.sh linux swift fuse root
	@$(scripts)/install-dependencies.sh build test
	@csi-sanity/run.sh

bench: ## measure latency, throughput and memory; prints a table and writes JSON
	@MAKE_TARGET=bench $(scripts)/require.sh linux swift fuse root
	@$(scripts)/install-dependencies.sh build test bench
	@$(scripts)/build-release.sh
	@Benchmarks/run.sh

faults: ## kill the driver's processes under load; prints a table of errors (none) and pauses, and writes JSON
	@MAKE_TARGET=faults $(scripts)/require.sh linux swift fuse root
	@$(scripts)/install-dependencies.sh build test
	@$(scripts)/build-release.sh
	@Benchmarks/faults.sh

format: ## rewrite the Swift code as swift-format wants it
	@$(scripts)/require.sh swift
	@swift format format --in-place --parallel --recursive Package.swift Sources Tests $(wildcard Benchmarks)

lint: ## check format and scripts
	@$(scripts)/require.sh swift
	@$(scripts)/install-dependencies.sh lint
	@$(scripts)/lint.sh

clean: ## remove everything that was built
	@rm -rf .build .build-*
