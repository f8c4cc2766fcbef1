//go:build !unix

package machine

// OpenFiles returns the number of files that this process may have open, or 0 if it is unknown.
func OpenFiles() uint64 { return 0 }
