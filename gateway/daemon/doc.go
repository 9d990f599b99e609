// Package daemon runs the gateway as a process: flags, configuration file, environment, wiring, signals and exit codes.
package daemon
