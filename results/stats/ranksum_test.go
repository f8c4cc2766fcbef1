package stats

import (
	"testing"
)

// Critical values of the two-sided Mann–Whitney test at 0.05, as its tables print
// them (D. Auble, "Extended tables for the Mann-Whitney statistic", 1953; −1 where
// they have none).
func TestRankSumTable(t *testing.T) {
	for _, tc := range [][3]int{{3, 3, -1}, {3, 5, 0}, {4, 4, 0}, {5, 5, 2}, {6, 6, 5}, {7, 7, 8}, {8, 8, 13}, {9, 9, 17}, {10, 10, 23}, {12, 12, 37}, {15, 15, 64}, {20, 20, 127}, {5, 10, 8}, {8, 12, 22}} {
		if got := rankSumCritical(tc[0], tc[1], 0.025); got != tc[2] {
			t.Errorf("%d and %d values: critical value %d, the table has %d", tc[0], tc[1], got, tc[2])
		}
	}
}
