package boot

import (
	"crypto/rand"
	"crypto/rsa"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"golang.org/x/crypto/ssh"
)

// instance is what a cloud would say of one boot. All of it is new for every
// run, so that nothing in the image can match it by chance.
type instance struct {
	// uuid is the instance's, and the machine's own by SMBIOS.
	uuid string
	// mac is in the range that Neutron hands out (base_mac fa:16:3e:00:00:00).
	mac string
	// name is the host name; nonce marks what the instance's user data says.
	name, nonce string
	// address is what DHCP offers, and no network configuration can know.
	address string
	// signer is the key whose public half only the instance data hold.
	signer    ssh.Signer
	publicKey string
	userData  []byte
}

// keyBits make a key that the strictest crypto policy of a distribution takes,
// and that servers from before Ed25519 know.
const keyBits = 3072

func newInstance(serial string) (*instance, error) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // It never fails: crypto/rand.Read.
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("make the instance's SSH key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return nil, fmt.Errorf("make the instance's SSH key: %w", err)
	}
	i := &instance{
		uuid:  uuidOf(random[:16]),
		mac:   fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", random[16], random[17], random[18]),
		name:  "proof-" + hex.EncodeToString(random[19:23]),
		nonce: hex.EncodeToString(random[23:31]),
		// The last byte is none of those that stand for a network or a broadcast.
		address: fmt.Sprintf("172.16.%d.%d", random[18], 16+random[31]%200),
		signer:  signer,
	}
	i.publicKey = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) + " proof"
	i.userData = witnessProgram(i, serial)
	return i, nil
}

// uuidOf writes 16 random bytes as a UUID of version 4 (RFC 9562, section 5.4).
func uuidOf(b []byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// openstackVersions are the folders that Nova makes (nova/api/metadata/base.py,
// OPENSTACK_VERSIONS); latest is the same as the newest.
var openstackVersions = []string{
	"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06",
	"2017-02-22", "2018-08-27", "2020-10-14", "2025-04-04", "latest",
}

// Each of these files appears with the version of its name
// (nova/api/metadata/base.py, openstack_base).
const (
	sinceVendorData  = "2013-10-17"
	sinceNetworkData = "2015-10-15"
	sinceVendorData2 = "2016-10-06"
)

// ec2Versions are the folders of the EC2 layout on a config drive
// (nova/api/metadata/base.py, metadata_for_config_drive).
var ec2Versions = []string{"2009-04-04", "latest"}

// openstackFiles are the documents of the OpenStack layout by their paths, such
// as openstack/latest/meta_data.json.
func (i *instance) openstackFiles() map[string][]byte {
	files := map[string][]byte{}
	for _, version := range openstackVersions {
		dir := path.Join("openstack", version)
		files[dir+"/meta_data.json"] = asJSON(i.metaData())
		files[dir+"/user_data"] = i.userData
		if version >= sinceVendorData {
			files[dir+"/vendor_data.json"] = []byte("{}")
		}
		if version >= sinceNetworkData {
			files[dir+"/network_data.json"] = asJSON(i.networkData())
		}
		if version >= sinceVendorData2 {
			files[dir+"/vendor_data2.json"] = []byte("{}")
		}
	}
	return files
}

// configDriveFiles adds to the OpenStack layout what Nova puts beside it.
func (i *instance) configDriveFiles() map[string][]byte {
	files := i.openstackFiles()
	for _, version := range ec2Versions {
		files[path.Join("ec2", version, "meta-data.json")] = asJSON(i.ec2MetaData())
		files[path.Join("ec2", version, "user-data")] = i.userData
	}
	return files
}

// metaData has the keys of nova/api/metadata/base.py, _metadata_as_json.
func (i *instance) metaData() map[string]any {
	seed := make([]byte, 512)
	_, _ = rand.Read(seed)
	return map[string]any{
		"uuid":              i.uuid,
		"name":              i.name,
		"hostname":          i.name + ".novalocal",
		"launch_index":      0,
		"availability_zone": "nova",
		"public_keys":       map[string]string{"proof": i.publicKey},
		"keys":              []map[string]string{{"name": "proof", "type": "ssh", "data": i.publicKey}},
		"random_seed":       base64.StdEncoding.EncodeToString(seed),
		"project_id":        strings.ReplaceAll(i.uuid, "-", ""),
		"devices":           []any{},
		"dedicated_cpus":    []any{},
		"meta":              map[string]string{},
	}
}

// networkData has the keys of nova/virt/netutils.py, get_network_metadata.
func (i *instance) networkData() map[string]any {
	return map[string]any{
		"links": []map[string]any{{
			"id": "tap0", "vif_id": i.uuid, "type": "ovs", "mtu": nil, "ethernet_mac_address": i.mac,
		}},
		"networks": []map[string]any{{
			"id": "network0", "type": "ipv4_dhcp", "link": "tap0", "network_id": i.uuid,
		}},
		"services": []any{},
	}
}

// ec2MetaData has the keys of nova/api/metadata/base.py, get_ec2_metadata.
func (i *instance) ec2MetaData() map[string]any {
	return map[string]any{
		"ami-id": "ami-00000001", "ami-launch-index": "0", "ami-manifest-path": "",
		"block-device-mapping": map[string]any{"ami": "vda", "root": "/dev/vda"},
		"hostname":             i.name + ".novalocal", "local-hostname": i.name + ".novalocal", "public-hostname": i.name + ".novalocal",
		"instance-action": "none", "instance-id": "i-" + i.nonce[:8], "instance-type": "proof",
		"local-ipv4": i.address, "public-ipv4": "", "reservation-id": "r-" + i.nonce[:8], "security-groups": "default",
		"placement":   map[string]any{"availability-zone": "nova"},
		"public-keys": map[string]any{"0": map[string]any{"_name": "proof", "openssh-key": i.publicKey}},
	}
}

// asJSON cannot fail: the documents are of plain maps, lists and strings.
func asJSON(document any) []byte {
	b, _ := json.Marshal(document)
	return b
}

//go:embed witness.sh
var witnessScript string

// witnessProgram is the program that tells, inside an instance, what shows
// there; it is the instance's user data, and what is run over SSH.
func witnessProgram(i *instance, serial string) []byte {
	return []byte(strings.NewReplacer("@NONCE@", i.nonce, "@SERIAL@", serial, "@KEY@", strings.Fields(i.publicKey)[1]).Replace(witnessScript))
}
