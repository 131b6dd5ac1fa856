package document

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSaveReplacesWholeDocuments(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "d.json")
	for _, v := range []map[string]string{{"a": "1 < 2"}, {"b": "new"}} {
		if err := Save(path, v); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, path, "{\n  \"b\": \"new\"\n}\n")
	expectAlone(t, dir)
}

func TestSaveKeepsTheOldDocumentWhenTheNewOneFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "d.json")
	if err := Save(path, "old"); err != nil {
		t.Fatal(err)
	}
	if err := Save(path, func() {}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error for what JSON cannot hold = %v, want one that names %s", err, path)
	}
	expect(t, path, "\"old\"\n")
	expectAlone(t, dir)
}

func TestSaveNamesAFolderThatIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "d.json")
	if err := Save(path, 1); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error = %v, want one that names %s", err, path)
	}
}

func TestEverybodyMayReadADocument(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.json")
	if err := Save(path, 1); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != mode {
		t.Errorf("mode = %v, %v, want %o", info.Mode().Perm(), err, mode)
	}
}

func expect(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("document = %q, %v, want %q", got, err, want)
	}
}

func expectAlone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("folder holds %v, %v, want the document alone", entries, err)
	}
}
