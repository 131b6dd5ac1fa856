package guest

import (
	"strings"
	"testing"
)

func TestSettingsBecomeAssignments(t *testing.T) {
	for _, test := range []struct {
		name     string
		settings Settings
		want     string
	}{
		{"none", Settings{}, "SET_DATASOURCES='ConfigDrive OpenStack None'\nSET_FORCE_DATASOURCE=''\nSET_NETWORK='cloud-init'\n"},
		{"forced data source", Settings{ForceDatasource: true}, "SET_DATASOURCES='OpenStack'\nSET_FORCE_DATASOURCE='yes'\n"},
		{"data sources", Settings{Datasources: []string{"Ec2", "None"}}, "SET_DATASOURCES='Ec2 None'\n"},
		{"consoles", Settings{Consoles: []string{"tty0", "ttyS1,9600n8"}}, "SET_CONSOLES='tty0 ttyS1,9600n8'\n"},
		{"usual clean-up", Settings{}, "SET_CLEAN_UP='logs package-cache temporary-files'\n"},
		{"no clean-up", Settings{Cleanup: []string{}}, "SET_CLEAN_UP=''\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.settings.script()
			if err != nil || !strings.Contains(got, test.want) {
				t.Errorf("got %q, %v, want one with %q", got, err, test.want)
			}
		})
	}
}

func TestSettingCannotBecomeCommand(t *testing.T) {
	for _, user := range []string{"a'b", "$(id)", "a\nb", "`id`", "a;b", "a\\b", `a"b`} {
		if _, err := program(Settings{DefaultUser: user}); err == nil || !strings.Contains(err.Error(), "default_user") {
			t.Errorf("%q: got %v, want a refusal that names default_user", user, err)
		}
	}
}
