package boot

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/iso9660"
)

// configDriveLabel is what cloud-init and other programs look for
// (nova/virt/configdrive.py).
const configDriveLabel = "config-2"

// writeConfigDrive makes an ISO 9660 image with the files as Nova does, with
// the long names of Rock Ridge; those of Joliet are for Windows, since Linux
// takes Rock Ridge's where there are both (fs/isofs/inode.c).
func writeConfigDrive(name string, files map[string][]byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the config drive %s: %w", name, err)
		}
	}()
	workspace, err := os.MkdirTemp(path.Dir(name), "config-drive-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(workspace)) }()
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	iso, err := iso9660.Create(file.New(f, false), 0, 0, 0, workspace)
	if err != nil {
		return err
	}
	if err := fillDrive(iso, files); err != nil {
		return err
	}
	return iso.Finalize(iso9660.FinalizeOptions{
		RockRidge:           true,
		VolumeIdentifier:    configDriveLabel,
		PublisherIdentifier: "OpenStack Nova",
	})
}

func fillDrive(iso *iso9660.FileSystem, files map[string][]byte) error {
	for _, name := range sortedNames(files) {
		if err := iso.Mkdir(path.Dir(name)); err != nil {
			return err
		}
		f, err := iso.OpenFile(name, os.O_CREATE|os.O_RDWR)
		if err != nil {
			return err
		}
		if _, err := f.Write(files[name]); err != nil {
			return errors.Join(err, f.Close())
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

func sortedNames(files map[string][]byte) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
