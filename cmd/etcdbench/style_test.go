package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	maxFunctionLines = 60
	maxLineColumns   = 140
)

var (
	// testPackages exist for tests only. Their lines may be wider than maxLineColumns, and
	// they may have variables, which a flag of a test needs.
	testPackages = [...]string{
		"report/reporttest", "report/browsertest", "bench/transport/transporttest", "workloads/workloadstest",
	}
	// constructors are the calls whose result a package-level variable may hold.
	constructors = [...]string{"errors.New", "fmt.Errorf", "regexp.MustCompile"}
)

// A styleCheck collects what one package has against the style rules.
type styleCheck struct {
	dir       string // relative to the root of the module, with slashes
	fset      *token.FileSet
	variables map[string]bool // the package-level variables
	found     []string
}

// checkStyle parses the files of one package, given by path relative to the root of
// the module, and returns one message for each violation of the rules.
func checkStyle(files map[string]string) ([]string, error) {
	c := styleCheck{fset: token.NewFileSet(), variables: map[string]bool{}}
	var parsed []*ast.File
	for name, source := range files {
		f, err := parser.ParseFile(c.fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		parsed = append(parsed, f)
		c.dir = filepath.ToSlash(filepath.Dir(name))
		c.checkWidth(name, source)
		for _, d := range f.Decls {
			c.checkDeclaration(d)
		}
	}
	for _, f := range parsed {
		c.checkFunctions(f)
	}
	slices.Sort(c.found)
	return c.found, nil
}

func (c *styleCheck) report(pos token.Pos, format string, args ...any) {
	p := c.fset.Position(pos)
	c.found = append(c.found, fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, fmt.Sprintf(format, args...)))
}

func (c *styleCheck) checkWidth(name, source string) {
	if slices.Contains(testPackages[:], c.dir) {
		return
	}
	line := 0
	for text := range strings.Lines(source) {
		line++
		if n := utf8.RuneCountInString(strings.TrimRight(text, "\r\n")); n > maxLineColumns {
			c.found = append(c.found, fmt.Sprintf("%s:%d: the line has %d columns, more than %d", name, line, n, maxLineColumns))
		}
	}
}

func (c *styleCheck) checkDeclaration(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.Name == "init" {
			c.report(d.Pos(), "a package may not have func init")
		}
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			c.checkDoc(d.Name, d.Doc)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					c.checkDoc(s.Name, s.Doc, d.Doc)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() {
						c.checkDoc(name, s.Doc, s.Comment, d.Doc)
					}
				}
				if d.Tok == token.VAR && !slices.Contains(testPackages[:], c.dir) {
					c.checkVariables(s, s.Doc, d.Doc)
				}
			}
		}
	}
}

// checkDoc reports name unless one of the comments has text. A directive such as
// The directive go:embed is not text.
func (c *styleCheck) checkDoc(name *ast.Ident, comments ...*ast.CommentGroup) {
	if !slices.ContainsFunc(comments, func(g *ast.CommentGroup) bool { return strings.TrimSpace(g.Text()) != "" }) {
		c.report(name.Pos(), "exported %s has no doc comment", name.Name)
	}
}

// receiver returns the name of the type that the method d belongs to.
func receiver(d *ast.FuncDecl) string {
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" { // the first one; type parameters follow it
			name = id.Name
		}
		return name == ""
	})
	return name
}

// checkVariables reports the package-level variables of s that can be mutable state.
// Allowed are embedded files, an error, a regular expression, a literal list, a mutex, which
// guards the state of another module, and the name _, which holds nothing.
func (c *styleCheck) checkVariables(s *ast.ValueSpec, comments ...*ast.CommentGroup) {
	embedded := slices.ContainsFunc(comments, func(g *ast.CommentGroup) bool {
		return g != nil && slices.ContainsFunc(g.List, func(l *ast.Comment) bool { return strings.HasPrefix(l.Text, "//go:embed ") })
	})
	mutex := false
	if t, ok := s.Type.(*ast.SelectorExpr); ok {
		pkg, _ := t.X.(*ast.Ident)
		mutex = pkg != nil && pkg.Name == "sync" && t.Sel.Name == "Mutex"
	}
	for i, name := range s.Names {
		if name.Name == "_" || mutex {
			continue
		}
		c.variables[name.Name] = true
		if !embedded && (len(s.Values) != len(s.Names) || !fixed(s.Values[i])) {
			c.report(name.Pos(), "package-level variable %s can be mutable state", name.Name)
		}
	}
}

// fixed reports whether value is the literal of an array or slice, or a call of one of
// the constructors.
func fixed(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit:
		_, list := v.Type.(*ast.ArrayType)
		return list
	case *ast.CallExpr:
		return slices.Contains(constructors[:], called(v))
	}
	return false
}

// called returns the name of the function that call calls, such as "panic" or
// "os.Exit", or "".
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if p, ok := f.X.(*ast.Ident); ok {
			return p.Name + "." + f.Sel.Name
		}
	}
	return ""
}

func (c *styleCheck) checkFunctions(f *ast.File) {
	main, _ := filepath.Match("cmd/*/main.go", c.fset.Position(f.Pos()).Filename)
	for _, d := range f.Decls {
		locals := localNames(d)
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl, *ast.FuncLit:
				if lines := c.fset.Position(n.End()).Line - c.fset.Position(n.Pos()).Line + 1; lines > maxFunctionLines {
					c.report(n.Pos(), "the function has %d lines, more than %d", lines, maxFunctionLines)
				}
			case *ast.CallExpr:
				name := called(n)
				if !main && (name == "panic" || name == "os.Exit" || strings.HasPrefix(name, "log.Fatal")) {
					c.report(n.Pos(), "only the main.go of a command may call %s", name)
				}
			}
			for _, target := range assigned(n) {
				if name := root(target); c.variables[name] && !locals[name] {
					c.report(n.Pos(), "package-level variable %s is assigned to", name)
				}
			}
			return true
		})
	}
}

// localNames returns the names that d declares: parameters, results and local variables.
func localNames(d ast.Decl) map[string]bool {
	names := map[string]bool{}
	fn, ok := d.(*ast.FuncDecl)
	if !ok {
		return names
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		var declared []ast.Expr
		switch n := n.(type) {
		case *ast.Field:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		case *ast.ValueSpec:
			for _, name := range n.Names {
				names[name.Name] = true
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				declared = n.Lhs
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				declared = []ast.Expr{n.Key, n.Value}
			}
		}
		for _, e := range declared {
			names[root(e)] = true
		}
		return true
	})
	return names
}

// assigned returns the expressions that n assigns to without declaring them.
func assigned(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	}
	return nil
}

// root returns the variable that e is or is a part of, or "".
func root(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	}
	return ""
}

// modulePackages returns the source of every Go file of the module that is not a test,
// by directory and by path, both relative to the root of the module.
func modulePackages(root string) (map[string]map[string]string, error) {
	packages := map[string]map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		dir := filepath.ToSlash(filepath.Dir(name))
		if packages[dir] == nil {
			packages[dir] = map[string]string{}
		}
		packages[dir][name] = string(source)
		return nil
	})
	return packages, err
}

// The module keeps the style rules: short functions, narrow lines, a doc comment on
// each exported identifier, no exit or panic outside a main.go, and no mutable state in a
// package.
func TestStyle(t *testing.T) {
	packages, err := modulePackages(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if len(packages["cmd/etcdbench"]) == 0 {
		t.Fatal("the root of the module was not found")
	}
	for _, files := range packages {
		found, err := checkStyle(files)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range found {
			t.Error(problem)
		}
	}
}

// The check finds a violation of each rule, and accepts what the rules allow.
func TestStyleIsChecked(t *testing.T) {
	wide, long := strings.Repeat("é", maxLineColumns), strings.Repeat("\n", maxFunctionLines)
	for _, test := range []struct{ name, source, want string }{
		{"wide line", "//" + wide, "a/a.go:2: the line has 142 columns, more than 140"},
		{"widest line", "//" + wide[len("éé"):], ""},
		{"long function", "func f() {" + long + "}", "a/a.go:2: the function has 61 lines, more than 60"},
		{"longest function", "func f() {" + long[1:] + "}", ""},
		{"function without doc", "func F() {}", "a/a.go:2: exported F has no doc comment"},
		{"method without doc", "type t[P any] struct{}\n// T is a type.\ntype T[P any] struct{}\nfunc (t[P]) M() {}\nfunc (*T[P]) M() {}",
			"a/a.go:6: exported M has no doc comment"},
		{"constants", "// Kinds.\nconst (\n\tA = 1\n\tB = 2\n)\nconst (\n\tC = 1 // C is one.\n\tD = 2\n)", "a/a.go:9: exported D has no doc comment"},
		{"type without doc", "type T struct{ F int }", "a/a.go:2: exported T has no doc comment"},
		{"panic", "func f() { panic(1) }", "a/a.go:2: only the main.go of a command may call panic"},
		{"exit", "func f() { os.Exit(1) }", "a/a.go:2: only the main.go of a command may call os.Exit"},
		{"fatal", "func f() { log.Fatalf(``) }", "a/a.go:2: only the main.go of a command may call log.Fatalf"},
		{"init", "func init() {}", "a/a.go:2: a package may not have func init"},
		{"number", "var n = 1", "a/a.go:2: package-level variable n can be mutable state"},
		{"zero value", "var n sync.Map", "a/a.go:2: package-level variable n can be mutable state"},
		{"mutex", "var n sync.Mutex", ""},
		{"map", "var m = map[int]int{}", "a/a.go:2: package-level variable m can be mutable state"},
		{"assigned list", "var l = []int{1}\nfunc f() { l[0]++ }", "a/a.go:3: package-level variable l is assigned to"},
		{"shadowed list", "var l = []int{1}\nfunc f(l []int) { l[0] = 1 }", ""},
		{"allowed variables", "var e = errors.New(``)\nvar r = regexp.MustCompile(``)\nvar _ I = T{}\n//go:embed a\nvar b embed.FS", ""},
	} {
		found, err := checkStyle(map[string]string{"a/a.go": "package a\n" + test.source + "\n"})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		} else if got := strings.Join(found, "\n"); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
	for name, source := range map[string]string{
		"cmd/etcdbench/main.go": "package main\nfunc main() { os.Exit(1) }\n", "report/reporttest/a.go": "package reporttest\nvar n = 1 //" + wide + "\n",
	} {
		if found, err := checkStyle(map[string]string{name: source}); err != nil || len(found) > 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}
