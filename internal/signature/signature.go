// Package signature signs an image's data the way Glance and Nova verify it.
//
// The four properties, the algorithm and its parameters are those of Glance's
// "Image Signature Verification" and of the library cursive, which both use:
// RSA-PSS with MGF1 over the same hash and the longest salt.
package signature

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // SHA-256 for crypto.Hash
	_ "crypto/sha512" // SHA-512 for crypto.Hash
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Names of the properties (cursive/signature_utils.py).
const (
	Signature       = "img_signature"
	HashMethod      = "img_signature_hash_method"
	KeyType         = "img_signature_key_type"
	CertificateUUID = "img_signature_certificate_uuid"
)

// rsaPSS is the value of KeyType for RSA with PSS padding.
const rsaPSS = "RSA-PSS"

// maxPEM is the most that is read of a key or certificate, in bytes.
const maxPEM = 1 << 20

// Methods are the hash methods that Sign takes, in Glance's writing.
func Methods() []string { return []string{"SHA-256", "SHA-512"} }

// Signer signs with a private key whose certificate Barbican holds.
type Signer struct {
	key         *rsa.PrivateKey
	certificate string
	method      string
}

// New reads the private key from a PEM file (PKCS #1 or PKCS #8, not
// encrypted). certificateUUID is the certificate's ID in Barbican. Where
// certificateFile is not empty, its public key must be the private key's: then
// it is certain, before anything is uploaded, that Glance will find the
// signature good. method is one of Methods.
func New(keyFile, certificateUUID, certificateFile, method string) (*Signer, error) {
	if !slices.Contains(Methods(), method) {
		return nil, fmt.Errorf("signature hash method %q: want one of %s", method, strings.Join(Methods(), ", "))
	}
	key, err := readKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", keyFile, err)
	}
	if certificateFile != "" {
		if err := matches(certificateFile, &key.PublicKey); err != nil {
			return nil, fmt.Errorf("certificate %s: %w", certificateFile, err)
		}
	}
	return &Signer{key: key, certificate: certificateUUID, method: method}, nil
}

// HashName is the name that glance.Sums has for the hash that is signed.
func (s *Signer) HashName() string {
	return strings.ToLower(strings.ReplaceAll(s.method, "-", ""))
}

// Sign returns the four properties of an image whose data have the given hash,
// in hexadecimal digits. The signature is verified before it is returned.
func (s *Signer) Sign(sum string) (map[string]string, error) {
	digest, err := hex.DecodeString(sum)
	if err != nil || len(digest) != s.hash().Size() {
		return nil, fmt.Errorf("sign the image: %q is no %s", sum, s.method)
	}
	longest := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto, Hash: s.hash()}
	signature, err := rsa.SignPSS(rand.Reader, s.key, s.hash(), digest, longest)
	if err != nil {
		return nil, fmt.Errorf("sign the image: %w", err)
	}
	if err := rsa.VerifyPSS(&s.key.PublicKey, s.hash(), digest, signature, longest); err != nil {
		return nil, fmt.Errorf("the signature does not fit its own key: %w; make the key anew", err)
	}
	return map[string]string{
		Signature:       base64.StdEncoding.EncodeToString(signature),
		HashMethod:      s.method,
		KeyType:         rsaPSS,
		CertificateUUID: s.certificate,
	}, nil
}

func (s *Signer) hash() crypto.Hash {
	if s.method == "SHA-512" {
		return crypto.SHA512
	}
	return crypto.SHA256
}

func readKey(path string) (*rsa.PrivateKey, error) {
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	switch block.Type {
	case "RSA PRIVATE KEY":
		if block.Headers["DEK-Info"] != "" {
			return nil, errEncrypted
		}
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "PRIVATE KEY":
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key, ok := parsed.(*rsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("it is a %T; only an RSA key is supported: make one with: openssl genrsa -out key.pem 2048", parsed)
		}
		return key, nil
	case "ENCRYPTED PRIVATE KEY":
		return nil, errEncrypted
	}
	return nil, fmt.Errorf("it holds a %s, not a PRIVATE KEY", block.Type)
}

var errEncrypted = errors.New("it is encrypted, and a build can not ask for the passphrase; decrypt a copy with: openssl pkey -in key.pem -out plain.pem")

// matches reports with an error that the certificate is of another key.
func matches(path string, key *rsa.PublicKey) error {
	block, err := readPEM(path)
	if err != nil {
		return err
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return err
	}
	if !key.Equal(certificate.PublicKey) {
		return errors.New("its public key is not that of private_key_file, so nobody could verify the signature; give the pair that belongs together")
	}
	return nil
}

func readPEM(path string) (*pem.Block, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxPEM))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, errors.New("it holds no PEM block")
	}
	return block, nil
}
