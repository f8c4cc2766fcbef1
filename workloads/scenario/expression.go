package scenario

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// maxExpression bounds the length of an expression, and therefore its depth.
const maxExpression = 200

// interpolate replaces each ${expression} of a text by its value.
func interpolate(text string, params map[string]float64) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		expression, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", fmt.Errorf("${%s is not closed with }", clip(rest))
		}
		v, err := evaluate(expression, params)
		if err != nil {
			return "", fmt.Errorf("${%s}: %w", clip(expression), err)
		}
		b.WriteString(formatNumber(v))
		text = after
	}
}

// clip shortens text that an error quotes.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// formatNumber formats whole numbers without an exponent, as flags require.
func formatNumber(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// evaluate computes an expression over parameters: numbers, names, + - * /,
// parentheses, and the functions min, max, ceil, floor and round.
func evaluate(expression string, params map[string]float64) (float64, error) {
	if len(expression) > maxExpression {
		return 0, fmt.Errorf("longer than %d characters", maxExpression)
	}
	tree, err := parser.ParseExpr(expression)
	if err != nil {
		return 0, errors.New("not an expression")
	}
	v, err := value(tree, params)
	if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		err = errors.New("not a finite number")
	}
	return v, err
}

func value(e ast.Expr, params map[string]float64) (float64, error) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return value(e.X, params)
	case *ast.BasicLit:
		if e.Kind == token.INT || e.Kind == token.FLOAT {
			return strconv.ParseFloat(e.Value, 64)
		}
	case *ast.Ident:
		if v, ok := params[e.Name]; ok {
			return v, nil
		}
		return 0, fmt.Errorf("no parameter %q%s", clip(e.Name), results.Nearest(e.Name, slices.Sorted(maps.Keys(params))))
	case *ast.UnaryExpr:
		v, err := value(e.X, params)
		if e.Op == token.SUB {
			return -v, err
		}
	case *ast.BinaryExpr:
		return arithmetic(e, params)
	case *ast.CallExpr:
		return call(e, params)
	}
	return 0, errors.New("use only numbers, parameters, + - * / ( ) and min, max, ceil, floor, round")
}

func arithmetic(e *ast.BinaryExpr, params map[string]float64) (float64, error) {
	x, err := value(e.X, params)
	if err != nil {
		return 0, err
	}
	y, err := value(e.Y, params)
	if err != nil {
		return 0, err
	}
	switch e.Op {
	case token.ADD:
		return x + y, nil
	case token.SUB:
		return x - y, nil
	case token.MUL:
		return x * y, nil
	case token.QUO:
		if y == 0 {
			return 0, errors.New("division by zero")
		}
		return x / y, nil
	}
	return 0, fmt.Errorf("%s is not supported", e.Op)
}

func call(e *ast.CallExpr, params map[string]float64) (float64, error) {
	var args []float64
	for _, a := range e.Args {
		v, err := value(a, params)
		if err != nil {
			return 0, err
		}
		args = append(args, v)
	}
	name, _ := e.Fun.(*ast.Ident)
	switch {
	case name == nil:
	case name.Name == "min" && len(args) == 2:
		return min(args[0], args[1]), nil
	case name.Name == "max" && len(args) == 2:
		return max(args[0], args[1]), nil
	case name.Name == "ceil" && len(args) == 1:
		return math.Ceil(args[0]), nil
	case name.Name == "floor" && len(args) == 1:
		return math.Floor(args[0]), nil
	case name.Name == "round" && len(args) == 1:
		return math.Round(args[0]), nil
	}
	return 0, errors.New("use only min(a, b), max(a, b), ceil(a), floor(a) and round(a)")
}
