package results

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"
)

// ThreeDigits returns the duration rounded to three significant digits, for texts: 2.22088s
// becomes 2.22s.
func ThreeDigits(d time.Duration) time.Duration {
	if d == 0 {
		return 0
	}
	digits := int(math.Floor(math.Log10(math.Abs(float64(d))))) - 2
	if digits <= 0 {
		return d
	}
	return d.Round(time.Duration(math.Pow10(digits)))
}

// Amount formats a rate or another number for texts: four significant digits below 1,000, and
// whole numbers with separators above.
func Amount(f float64) string {
	if math.Abs(f) < 1000 || math.Abs(f) >= 1e15 || math.IsNaN(f) {
		return fmt.Sprintf("%.4g", f)
	}
	return humanize.Comma(int64(math.Round(f)))
}
