package glance

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// advice says what a person can do about a refusal, after a semicolon; it is
// empty where the server's own words must do.
func advice(err error) string {
	switch codeOf(err) {
	case http.StatusRequestEntityTooLarge:
		return "; the project's quota for images is full or the image is larger than the cloud allows: delete images, ask for more quota, or make a smaller image"
	case http.StatusUnsupportedMediaType:
		return "; Glance looked into the data and refused them: see that disk_format is the format of the file, and that the file has no backing file, no external data and a plain partition table"
	case http.StatusForbidden:
		return "; the cloud's policy does not let this user do that, or it protects one of the properties"
	case http.StatusConflict:
		return "; the image was changed by somebody else meanwhile"
	}
	return ""
}

func adviceOnVisibility(err error, visibility string) string {
	if codeOf(err) == http.StatusForbidden {
		return fmt.Sprintf("; most clouds let only administrators make images %s: choose the visibility private or shared, or sign in as an administrator", visibility)
	}
	return advice(err)
}

// adviceOnReaching is for a server that gave no answer; otherwise is what helps
// when TLS is not what is in the way.
func adviceOnReaching(err error, otherwise string) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var alert *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "; this machine does not know who signed the server's certificate: name the file with the authority's certificate in cacert_file (clouds.yaml: cacert, environment: OS_CACERT)"
	case errors.As(err, &name):
		return "; the server's certificate is for another name than that of the URL: use the name that it is for"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "; the server's certificate is out of date, or this machine's clock is wrong"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "; the server does not speak TLS there: begin the URL with http://"
	case errors.As(err, &alert) && alert.Op == "remote error" && strings.Contains(alert.Err.Error(), "certificate"):
		// crypto/tls does not export the type of the alert in it.
		return "; the server wants a client certificate of an authority that it knows: name its files in cert_file and key_file (clouds.yaml: cert and key, environment: OS_CERT and OS_KEY)"
	}
	return otherwise
}
