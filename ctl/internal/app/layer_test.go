package app

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// outside are the ways to a terminal around Output, by the package's path. "*" is everything that a package has.
var outside = map[string][]string{
	"os":      {"Stdout", "Stderr", "NewFile", "StartProcess"},
	"fmt":     {"Print", "Printf", "Println", "Fprint", "Fprintf", "Fprintln"},
	"log":     {"*"},
	"syscall": {"Write", "Stdout", "Stderr", "Syscall", "RawSyscall"},

	"log/slog":                       {"*"},
	"os/exec":                        {"*"},
	"golang.org/x/sys/unix":          {"Write", "Stdout", "Stderr"},
	"google.golang.org/grpc/grpclog": {"*"},
}

// outsideNames are the ways by a field or method: the streams of the process, those of cobra, and text that may have
// line ends.
var outsideNames = []string{"OutOrStdout", "OutOrStderr", "ErrOrStderr", "SetOut", "SetErr", "SetOutput",
	"SetUsageFunc", "SetHelpFunc", "Println", "Printf", "PrintErr", "PrintErrln", "PrintErrf",
	"layout", "put"}

// mayUse are the uses that make the layer itself, by file and name.
var mayUse = map[string][]string{
	"cli/root.go":    {"os.Stdout", "os.Stderr"}, // Main gives them to Run
	"app/output.go":  {"o.put", "o.layout", "out.layout"},
	"app/print.go":   {"Stdout.layout"}, // YAML, whose strings are quoted
	"app/errors.go":  {"Stderr.layout"}, // cobra's suggestions for the user's own words
	"app/app.go":     {"env.Stdout", "env.Stderr", "Env.Stdout", "Env.Stderr"},
	"app/run.go":     {"root.SetOut", "root.SetErr", "Env.Stdout", "Env.Stderr"},
	"app/logging.go": {"log.*", "log.SetOutput", "google.golang.org/grpc/grpclog.*"},
}

// TestNothingIsWrittenAroundTheLayer reads the code of ctl, for all systems, and refuses every way to stdout and stderr
// but Output.
func TestNothingIsWrittenAroundTheLayer(t *testing.T) {
	root := filepath.Join("..", "..")
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.Contains(path, "ctltest") {
			return err
		}
		files++
		name, _ := filepath.Rel(filepath.Join(root, "internal"), path)
		source, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, way := range waysOutside(source) {
			if !slices.Contains(mayUse[filepath.ToSlash(name)], way) {
				t.Errorf("%s uses %s, which goes around Output: give its text to App.Stdout or App.Say", name, way)
			}
		}
		return nil
	})
	if err != nil || files < 70 {
		t.Errorf("%d files: %v", files, err)
	}
}

// The rule finds each way that it is about.
func TestTheRuleFindsWaysOutside(t *testing.T) {
	for code, want := range map[string]string{
		`import "os"; var _ = os.Stdout`:                               "os.Stdout",
		`import o "os"; var _, _ = o.Stderr.WriteString("x")`:          "os.Stderr",
		`import . "os"; var _ = Stdout`:                                "os.*",
		`import "fmt"; func f() { fmt.Println("x") }`:                  "fmt.Println",
		`import "fmt"; func f(w io.Writer) { fmt.Fprintf(w, "x") }`:    "fmt.Fprintf",
		`import "log"; func f() { log.Fatal("x") }`:                    "log.*",
		`func f() { println("x") }`:                                    "println",
		`func f(a *app.App) { io.WriteString(a.Env.Stdout, "x") }`:     "Env.Stdout",
		`func f(cmd *cobra.Command) { cmd.Printf("x") }`:               "cmd.Printf",
		`func f(cmd *cobra.Command) { g(cmd.OutOrStdout()) }`:          "cmd.OutOrStdout",
		`func f(a *App) { a.Stdout.layout("x") }`:                      "Stdout.layout",
		`func f(cmd *cobra.Command) { cmd.Print("x") }`:                "cmd.Print",
		`func f(env app.Env) { g(env.Stdout) }`:                        "env.Stdout",
		`import "os"; func f() { os.OpenFile("/dev/tty", 1, 0) }`:      "/dev/tty",
		`import "os"; func f() { os.WriteFile("/proc/self/fd/1", x) }`: "/proc/self/fd/1",
	} {
		source, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x;"+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := waysOutside(source); !slices.Contains(got, want) {
			t.Errorf("%s: %q, want %s", code, got, want)
		}
	}
}

// waysOutside are the ways to a terminal in a file.
func waysOutside(file *ast.File) (found []string) {
	paths := map[string]string{} // of imports, by their names in this file
	for _, i := range file.Imports {
		path, _ := strconv.Unquote(i.Path.Value)
		name := path[strings.LastIndex(path, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		paths[name] = path
		if ways := outside[path]; slices.Contains(ways, "*") || ways != nil && name == "." {
			found = append(found, path+".*")
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			found = append(found, selected(n, paths)...)
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "print" || f.Name == "println") {
				found = append(found, f.Name)
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING &&
				(strings.HasPrefix(text, "/dev/") || strings.HasPrefix(text, "/proc/")) {
				found = append(found, text)
			}
		}
		return true
	})
	return found
}

// selected is a selector that leads outside, as package.Name or as the last two of its words.
func selected(s *ast.SelectorExpr, paths map[string]string) []string {
	last := ""
	switch x := s.X.(type) {
	case *ast.Ident:
		if slices.Contains(outside[paths[x.Name]], s.Sel.Name) {
			return []string{paths[x.Name] + "." + s.Sel.Name}
		}
		last = x.Name
	case *ast.SelectorExpr:
		last = x.Sel.Name
	}
	stream := s.Sel.Name == "Stdout" || s.Sel.Name == "Stderr"
	if slices.Contains(outsideNames, s.Sel.Name) || s.Sel.Name == "Print" && last == "cmd" ||
		stream && strings.EqualFold(last, "env") {
		return []string{last + "." + s.Sel.Name}
	}
	return nil
}
