// Package document stores documents in files, whole or not at all.
package document

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// mode lets everybody read a document: it holds no secret.
const mode = 0o644

// Write writes v to w as indented JSON.
func Write(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// Save writes v as indented JSON to the file at path, as SaveFrom does.
func Save(path string, v any) error {
	return SaveFrom(path, func(w io.Writer) error { return Write(w, v) })
}

// SaveFrom writes what write writes to the file at path, whose folder must
// exist. It writes under another name and renames, so that a reader never sees
// half a document and an older one stays when the new one cannot be written.
func SaveFrom(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	err = errors.Join(write(file), file.Chmod(mode), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(file.Name()))
	}
	return nil
}
