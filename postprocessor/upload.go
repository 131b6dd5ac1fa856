//go:generate packer-sdc struct-markdown

package postprocessor

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/packer-plugin-sdk/template/config"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/glance"
)

// UploadConfig says how the image gets to Glance, and what keeps it there.
type UploadConfig struct {
	// How the image gets to Glance. `put` sends it in one request to one store.
	// `import` sends it to Glance's staging area, from where Glance brings it to
	// its stores. `web-download` has Glance fetch it from `web_download_url`.
	// `auto` (default) sends it by `put` unless several stores or a URL are
	// asked for, or the cloud forbids it, and then takes what the cloud offers;
	// the build's output says which and why. Whatever the way, size and hashes are compared with the
	// file afterwards.
	UploadMethod string `mapstructure:"upload_method"`
	// Where Glance finds the very file that is published, such as
	// `https://mirror.example.org/debian-12.qcow2`. What Glance has downloaded
	// is compared with the file here. Most clouds take only ports 80 and 443.
	// Default: none.
	WebDownloadURL string `mapstructure:"web_download_url"`
	// The stores that keep the image, such as `["ceph", "swift"]`. Default: the
	// cloud's default store.
	Stores []string `mapstructure:"stores"`
	// Whether every store of the cloud keeps the image. Default: false.
	AllStores bool `mapstructure:"all_stores"`
	// Whether the image counts as whole only when all the stores that were asked
	// for have it. With false one of them suffices, and the others are named in
	// the build's output. Default: true.
	AllStoresMustSucceed config.Trilean `mapstructure:"all_stores_must_succeed"`
	// Further stores, to which Glance copies the image once it is confirmed and
	// before it gets its name. By default a cloud lets only administrators do
	// this. Default: none.
	CopyToStores []string `mapstructure:"copy_to_stores"`
	// How long Glance may accept no byte before the transfer is ended and tried
	// again, such as `30s`. It is no limit for the whole. Default: `2m`.
	IdleTimeout time.Duration `mapstructure:"idle_timeout"`
	// How long Glance may take to answer after the last byte, while its store
	// takes them in. Default: `10m`.
	AnswerTimeout time.Duration `mapstructure:"answer_timeout"`
	// How long an import, download or copy in the cloud may show no sign of
	// life. Default: `1h`.
	ImportTimeout time.Duration `mapstructure:"import_timeout"`
	// How often the image is sent at most, each time from its first byte.
	// Default: 5.
	UploadAttempts int `mapstructure:"upload_attempts"`
}

// mistakes returns what is wrong, each naming its option. What concerns the
// way and the stores is judged with the image's specification.
func (c UploadConfig) mistakes() error {
	var mistakes []error
	for option, limit := range map[string]time.Duration{"idle_timeout": c.IdleTimeout, "answer_timeout": c.AnswerTimeout, "import_timeout": c.ImportTimeout} {
		if limit < 0 {
			mistakes = append(mistakes, fmt.Errorf("%s: %s: want a time above 0", option, limit))
		}
	}
	if c.UploadAttempts < 0 {
		mistakes = append(mistakes, fmt.Errorf("upload_attempts: %d: want a number above 0", c.UploadAttempts))
	}
	return errors.Join(mistakes...)
}

func (c UploadConfig) sending() glance.Sending {
	return glance.Sending{
		Method:            glance.Method(c.UploadMethod),
		URL:               c.WebDownloadURL,
		Stores:            c.Stores,
		AllStores:         c.AllStores,
		SomeStoresSuffice: c.AllStoresMustSucceed.False(),
		CopyTo:            c.CopyToStores,
	}
}

func (c UploadConfig) patience() glance.Patience {
	return glance.Patience{Idle: c.IdleTimeout, Answer: c.AnswerTimeout, Import: c.ImportTimeout, Attempts: c.UploadAttempts}
}
