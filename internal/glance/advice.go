package glance

import (
	"fmt"
	"net/http"
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
