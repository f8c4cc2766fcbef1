// Package machine tells what machine a run was made on and what the machine and
// the generator's process did meanwhile: CPU time, steal, throttling, garbage
// collection, scheduler delay, and how long an fdatasync takes.
//
// What a platform does not tell is left zero. The package neither loads nor
// judges anything.
package machine
