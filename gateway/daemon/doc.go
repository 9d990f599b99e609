// Package daemon runs the gateway as a process: flags, configuration file and environment, wiring, signals, exit codes.
package daemon
