package command

import (
	"context"
	"embed"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
)

const completionUsage = `Usage: packer-plugin-openstack-ready completion SHELL

Prints what makes a shell complete the verbs, options and their values:

  bash  source <(packer-plugin-openstack-ready completion bash)
  zsh   source <(packer-plugin-openstack-ready completion zsh)
  fish  packer-plugin-openstack-ready completion fish | source
`

//go:embed completion/*.tmpl
var completions embed.FS

func shells() []string { return []string{"bash", "zsh", "fish"} }

func completionVerb() verb {
	return verb{
		name: "completion", summary: "print the completion for a shell: bash, zsh or fish",
		usage: completionUsage, words: shells(),
		run: runCompletion,
	}
}

func runCompletion(_ context.Context, args []string, stdout, _ io.Writer) (status int, err error) {
	flags := flag.NewFlagSet("completion", flag.ContinueOnError)
	names, err := parse(flags, args)
	if err != nil {
		return Failed, err
	}
	if len(names) != 1 || !slices.Contains(shells(), names[0]) {
		return Failed, fmt.Errorf("name one shell of %s", strings.Join(shells(), ", "))
	}
	t, err := template.ParseFS(completions, "completion/"+names[0]+".tmpl")
	if err != nil {
		return Failed, err
	}
	return Ready, t.Execute(stdout, completionData())
}

// completionVerbData is a verb as the templates of the shells see it.
type completionVerbData struct {
	Name, Summary string
	Options       []completionOption
	Words         string
}

type completionOption struct{ Name, Values string }

func completionData() []completionVerbData {
	var data []completionVerbData
	for _, v := range verbs() {
		d := completionVerbData{Name: v.name, Summary: v.summary, Words: strings.Join(v.words, " ")}
		if v.name == "help" {
			d.Words = strings.Join(verbNames(), " ")
		}
		for _, o := range v.options {
			d.Options = append(d.Options, completionOption{o.name, strings.Join(o.values, " ")})
		}
		data = append(data, d)
	}
	return data
}
