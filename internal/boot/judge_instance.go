package boot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cloudStatus is what cloud-init writes of its stages to
// /run/cloud-init/status.json.
type cloudStatus struct {
	V1 struct {
		Datasource string      `json:"datasource"`
		InitLocal  stageStatus `json:"init-local"`
		Init       stageStatus `json:"init"`
		Config     stageStatus `json:"modules-config"`
		Final      stageStatus `json:"modules-final"`
	} `json:"v1"`
}

type stageStatus struct {
	Errors []string `json:"errors"`
}

// cloudInit returns what cloud-init wrote of itself; ok is false where it wrote
// nothing.
func (f facts) cloudInit() (status cloudStatus, ok bool) {
	err := json.Unmarshal([]byte(f.one("status")), &status)
	return status, err == nil && status.V1.Datasource != ""
}

// expected are the data sources of cloud-init that read what a way offers.
var expected = map[Via][]string{
	ConfigDrive: {"DataSourceConfigDrive"},
	Metadata:    {"DataSourceOpenStack", "DataSourceEc2"},
}

// bootProgramSaid is how the boot program of guests without cloud-init tells
// where it read the metadata.
const bootProgramSaid = "openstack-ready: the metadata is from "

// dataByStatus judges by cloud-init's own word. An error of the stages that find
// and apply the data source counts; one of a later module, such as locale, is
// only told.
func (s *sight) dataByStatus() proof {
	status, ok := s.told.cloudInit()
	name := status.V1.Datasource
	right := slices.ContainsFunc(expected[s.via], func(want string) bool { return strings.HasPrefix(name, want) })
	early := slices.Concat(status.V1.InitLocal.Errors, status.V1.Init.Errors)
	late := slices.Concat(status.V1.Config.Errors, status.V1.Final.Errors)
	switch {
	case ok && !right:
		return unmet(append([]string{fmt.Sprintf("cloud-init used %s, want %s", quote(name), strings.Join(expected[s.via], " or "))}, s.asked()...)...)
	case len(early) > 0:
		return unmet(append([]string{"cloud-init reports errors"}, quoteAll(early)...)...)
	case len(late) > 0:
		return met(append([]string{"cloud-init used " + quote(name) + ", and a later module reports an error"}, quoteAll(late)...)...)
	case ok:
		return met(append([]string{"cloud-init used " + quote(name) + " and reports no error"}, s.asked()...)...)
	case !s.dataCame():
		return unmet(append([]string{"neither the key nor the host name nor the user data of the instance reached the guest"}, s.asked()...)...)
	}
	if _, line, found := strings.Cut(s.console, bootProgramSaid); found {
		line, _, _ = strings.Cut(line, "\n")
		return met("the boot program says that its data are from " + quote(line))
	}
	return met(append([]string{"the instance's data reached the guest"}, s.asked()...)...)
}

func sshKey(s *sight) proof {
	switch {
	case s.ssh.reach == entered:
		return s.passwords()
	case s.ssh.reach == banner && s.dataCame():
		return unmet(append([]string{"the instance's key is refused"}, s.ssh.refused...)...)
	case s.ssh.reach == banner:
		return unknown(append([]string{"the key is refused, since " + seeDatasource}, s.ssh.refused...)...)
	}
	return unknown("no SSH server was reached (see ssh-server, no-firewall and dhcp): " + s.over)
}

// passwords judges a guest that let the key in by how else it would let in.
func (s *sight) passwords() proof {
	in := fmt.Sprintf("the account %s lets the instance's key in", quote(s.ssh.user))
	switch {
	case s.methodsErr != nil:
		return unknown(in, "whether passwords work could not be asked: "+s.methodsErr.Error())
	case len(s.methods) == 0:
		return met(in, "the server offers no way in by password")
	case s.told == nil:
		return unknown(in, "the server offers "+strings.Join(s.methods, " and ")+", and whether an account has a password could not be looked at: "+s.over)
	case len(s.told["password"]) == 0:
		return met(in, "the server offers "+strings.Join(s.methods, " and ")+", but no account has a password")
	}
	return unmet(in, "the server offers "+strings.Join(s.methods, " and ")+", and these accounts have a password: "+strings.Join(s.told["password"], ", "))
}

func userData(s *sight) proof {
	ran := s.ranUserData()
	switch {
	case s.told == nil && !s.dataCame() && s.ended():
		return unknown(seeDatasource)
	case s.told == nil:
		return unknown(s.notThere())
	case ran == 0 && !s.dataCame():
		return unknown(seeDatasource)
	case ran == 0:
		return unmet("the user data did not run, says " + s.toldBy)
	case ran > 1:
		return unmet(fmt.Sprintf("the user data ran %d times in one boot", ran))
	case s.hostName() != s.instance.name:
		return unmet(fmt.Sprintf("the host name is %s, want %s", quote(s.told.one("hostname")), s.instance.name))
	}
	if s.reboot != nil && s.reboot.err == nil {
		if again := runs(s.reboot.told, s.instance); again != 1 {
			return unmet(fmt.Sprintf("the user data ran %d times with one reboot, want once", again))
		}
	}
	return met("the user data ran once, and the host name is " + quote(s.told.one("hostname")))
}

func rootResize(s *sight) proof {
	fields := strings.Fields(s.told.one("root"))
	if len(fields) < 2 {
		return unknown(s.notThere())
	}
	kib, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return unknown("df said " + quote(s.told.one("root")))
	}
	was, grown := s.facts.Root.Size, s.diskSize-s.facts.Disk.VirtualSize
	evidence := fmt.Sprintf("the root file system on %s has %d MiB; the disk grew from %d to %d MiB, and the file system had %d",
		quote(fields[0]), kib>>10, s.facts.Disk.VirtualSize>>20, s.diskSize>>20, was>>20)
	// A file system keeps some of its size for itself; ext4 the most, below a
	// tenth.
	if kib<<10 < was*9/10+grown*8/10 {
		return unmet(evidence)
	}
	return met(evidence)
}
