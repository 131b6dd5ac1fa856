package access

import (
	"fmt"
	"strings"
	"testing"
)

func TestValidateNamesEveryMistake(t *testing.T) {
	tests := map[string]struct {
		config Config
		want   []string
	}{
		"nothing":                    {},
		"password":                   {config: Config{AuthURL: "https://k/v3", Username: "u", Password: "hunter2", UserDomainName: "d", ProjectName: "p"}},
		"application credential":     {config: Config{ApplicationCredentialID: "i", ApplicationCredentialSecret: "hunter2"}},
		"two ways":                   {config: Config{Token: "hunter2", Password: "hunter2"}, want: []string{"password: ", "token"}},
		"interface":                  {config: Config{Interface: "secret"}, want: []string{"interface:", "public, internal or admin"}},
		"endpoint type":              {config: Config{EndpointType: "x"}, want: []string{"endpoint_type:"}},
		"key without certificate":    {config: Config{ClientKeyFile: "k"}, want: []string{"key_file: needs cert_file too"}},
		"certificate without key":    {config: Config{ClientCertFile: "k"}, want: []string{"cert_file: needs key_file too"}},
		"names and IDs of all kinds": {config: Config{Username: "a", UserID: "a", ProjectID: "a", ProjectName: "a", UserDomainID: "a", UserDomainName: "a", ProjectDomainID: "a", ProjectDomainName: "a", ApplicationCredentialID: "a", ApplicationCredentialName: "a", Interface: "public", EndpointType: "public"}, want: []string{"user_id: username", "user_domain_name: ", "project_name: ", "project_domain_name: ", "application_credential_name: ", "endpoint_type: interface"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := test.config.Validate()
			if (err == nil) != (len(test.want) == 0) {
				t.Fatalf("got %v, want mistakes %q", err, test.want)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
			if text := fmt.Sprintf("%v %+v %#v %v", test.config, test.config, test.config, err); strings.Contains(text, "hunter2") {
				t.Errorf("%s shows a secret", text)
			}
		})
	}
}
