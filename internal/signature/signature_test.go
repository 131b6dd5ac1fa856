package signature_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/signature"
)

const certificateUUID = "5e1ba3ea-2b8e-4ea4-9e28-2f7f4b0ff0f6"

func TestOpenSSLVerifiesSignature(t *testing.T) {
	dir := keys(t)
	data := []byte("the image's data")
	for method, sum := range map[string]func() string{
		"SHA-256": func() string { s := sha256.Sum256(data); return hex.EncodeToString(s[:]) },
		"SHA-512": func() string { s := sha512.Sum512(data); return hex.EncodeToString(s[:]) },
	} {
		t.Run(method, func(t *testing.T) {
			signer, err := signature.New(dir+"/key.pem", certificateUUID, dir+"/cert.pem", method)
			if err != nil {
				t.Fatal(err)
			}
			got, err := signer.Sign(sum())
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string]string{
				signature.HashMethod: method, signature.KeyType: "RSA-PSS", signature.CertificateUUID: certificateUUID,
			} {
				if got[name] != want {
					t.Errorf("%s: got %q, want %q", name, got[name], want)
				}
			}
			raw, err := base64.StdEncoding.DecodeString(got[signature.Signature])
			if err != nil {
				t.Fatal(err)
			}
			write(t, dir+"/signature", raw)
			write(t, dir+"/data", data)
			run(t, "openssl", "dgst", "-"+signer.HashName(), "-verify", dir+"/public.pem", "-signature", dir+"/signature",
				"-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:max", dir+"/data")
		})
	}
}

// TestCursiveVerifiesSignature asks the library that Glance and Nova ask, with
// the certificate in place of Barbican's answer.
func TestCursiveVerifiesSignature(t *testing.T) {
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import cursive").Run() != nil {
		t.Skip("needs python3-cursive (Debian package python3-cursive): to let Glance's own library verify a signature is left out")
	}
	dir := keys(t)
	signer, err := signature.New(dir+"/key.pem", certificateUUID, "", "SHA-256")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("the image's data"))
	properties, err := signer.Sign(hex.EncodeToString(sum[:]))
	if err != nil {
		t.Fatal(err)
	}
	const verify = `
import sys
from cryptography import x509
from cursive import signature_utils
path, signature, method, kind, uuid = sys.argv[1:]
certificate = x509.load_pem_x509_certificate(open(path, "rb").read())
signature_utils.get_certificate = lambda context, asked: certificate
verifier = signature_utils.get_verifier(None, uuid, method, signature, kind)
verifier.update(b"the image's data")
verifier.verify()
`
	run(t, python, "-c", verify, dir+"/cert.pem", properties[signature.Signature], properties[signature.HashMethod],
		properties[signature.KeyType], properties[signature.CertificateUUID])
}

func TestKeyThatIsOfNoUse(t *testing.T) {
	dir := keys(t)
	run(t, "openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", dir+"/ec-plain.pem")
	run(t, "openssl", "pkcs8", "-topk8", "-nocrypt", "-in", dir+"/ec-plain.pem", "-out", dir+"/ec.pem")
	run(t, "openssl", "pkey", "-in", dir+"/key.pem", "-aes256", "-passout", "pass:x", "-out", dir+"/encrypted.pem")
	run(t, "openssl", "genrsa", "-out", dir+"/other.pem", "2048")
	write(t, dir+"/empty.pem", nil)
	for _, c := range []struct{ name, key, certificate, method, want string }{
		{"missing", "none.pem", "", "SHA-256", "no such file"},
		{"empty", "empty.pem", "", "SHA-256", "no PEM block"},
		{"encrypted", "encrypted.pem", "", "SHA-256", "it is encrypted"},
		{"elliptic curve", "ec.pem", "", "SHA-256", "only an RSA key is supported"},
		{"a certificate", "cert.pem", "", "SHA-256", "not a PRIVATE KEY"},
		{"another's certificate", "other.pem", "cert.pem", "SHA-256", "is not that of private_key_file"},
		{"weak hash", "key.pem", "", "MD5", "want one of SHA-256, SHA-512"},
	} {
		t.Run(c.name, func(t *testing.T) {
			certificate := c.certificate
			if certificate != "" {
				certificate = filepath.Join(dir, certificate)
			}
			_, err := signature.New(filepath.Join(dir, c.key), certificateUUID, certificate, c.method)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// keys makes key.pem, cert.pem and public.pem.
func keys(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("needs openssl (Debian package openssl): to let another program verify a signature is left out")
	}
	dir := t.TempDir()
	run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", dir+"/key.pem", "-out", dir+"/cert.pem", "-subj", "/CN=test", "-days", "2")
	run(t, "openssl", "pkey", "-in", dir+"/key.pem", "-pubout", "-out", dir+"/public.pem")
	return dir
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
