package workloads

import (
	"errors"
	"fmt"
)

// stock holds the numbers of objects that exist and of those that do not, for workloads that
// alternately create and remove them. A number that was taken belongs to its worker until it is
// put back. The oldest number of each kind is taken first.
type stock struct{ present, absent chan int64 }

// maxStock bounds the memory of a stock, which is 16 bytes per number.
const maxStock = 1 << 22

// newStock returns a stock of the numbers from 0 to space-1 that belong to the target's share,
// in that order.
func newStock(t Target, space int64, exists func(n int64) bool) *stock {
	own := t.Share.Below(uint64(space))
	s := &stock{present: make(chan int64, own), absent: make(chan int64, own)}
	for n := range t.numbers(space) {
		if exists(n) {
			s.present <- n
		} else {
			s.absent <- n
		}
	}
	return s
}

var errStock = errors.New("every key of the key space is in use: raise --key-space-size")

// take takes a number out of one of the two channels.
func take(from chan int64) (int64, error) {
	select {
	case n := <-from:
		return n, nil
	default:
		return 0, errStock
	}
}

func checkStock(space int64) error {
	if space > maxStock {
		return fmt.Errorf("--key-space-size must not be above %d here, but is %d", maxStock, space)
	}
	return nil
}
