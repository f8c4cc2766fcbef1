//go:build !linux

package machine

import (
	"errors"
	"math"
	"os"
	"runtime"

	"github.com/etcdbench/etcdbench/results"
)

func (u *Usage) readMachine() {}

func availableCPUs() float64 { return float64(min(runtime.NumCPU(), runtime.GOMAXPROCS(0))) }

func describe(*results.Environment) {}

// FileSystem returns "": file systems are unknown on this platform.
func FileSystem(string) (name string, inMemory bool) { return "", false }

// FreeSpace returns the largest number: the free space is unknown on this platform.
func FreeSpace(string) (uint64, error) { return math.MaxUint64, nil }

// AvailableMemory returns 0: the memory is unknown on this platform.
func AvailableMemory() uint64 { return 0 }

func fdatasync(f *os.File) error { return f.Sync() }

// evictFile returns an error: it is not supported on this platform.
func evictFile(string) (stayed, size int64, err error) { return 0, 0, errors.ErrUnsupported }
