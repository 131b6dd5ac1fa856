//go:generate packer-sdc mapstructure-to-hcl2 -type SignatureConfig
//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/signature"
)

// SignatureConfig has the image's data signed, so that Glance and Nova can
// verify that nobody has changed them (`img_signature` and its three siblings,
// by RSA-PSS). The data are read once more for it, before the upload.
type SignatureConfig struct {
	// The RSA private key, a PEM file that is not encrypted.
	PrivateKeyFile string `mapstructure:"private_key_file" required:"true"`
	// The ID of the key's certificate in Barbican.
	CertificateUUID string `mapstructure:"certificate_uuid" required:"true"`
	// The certificate, a PEM file. With it the build ends before the upload
	// where it is not the private key's. Default: it is not looked at.
	CertificateFile string `mapstructure:"certificate_file"`
	// The hash that is signed: `SHA-256` (default) or `SHA-512`.
	HashMethod string `mapstructure:"hash_method"`
}

func (c *SignatureConfig) setDefaults() {
	if c != nil && c.HashMethod == "" {
		c.HashMethod = "SHA-256"
	}
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

func (c *SignatureConfig) mistakes() error {
	if c == nil {
		return nil
	}
	var mistakes []error
	if c.PrivateKeyFile == "" {
		mistakes = append(mistakes, errors.New("signature: private_key_file is missing"))
	}
	if !uuid.MatchString(c.CertificateUUID) {
		mistakes = append(mistakes, fmt.Errorf("signature: certificate_uuid: %q: want the UUID of a certificate in Barbican", c.CertificateUUID))
	}
	if !slices.Contains(signature.Methods(), c.HashMethod) {
		mistakes = append(mistakes, fmt.Errorf("signature: hash_method: %q: want one of %s", c.HashMethod, strings.Join(signature.Methods(), ", ")))
	}
	return errors.Join(mistakes...)
}

// sign returns what Publish adds to the properties, nil where nothing is
// signed. The keys are read and compared here, before anything is sent.
func (c *Config) sign() (func(glance.Sums) (map[string]string, error), error) {
	if c.Signature == nil {
		return nil, nil
	}
	s := c.Signature
	signer, err := signature.New(s.PrivateKeyFile, s.CertificateUUID, s.CertificateFile, s.HashMethod)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return func(sums glance.Sums) (map[string]string, error) { return signer.Sign(sums[signer.HashName()]) }, nil
}
