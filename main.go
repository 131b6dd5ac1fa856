// Command packer-plugin-openstack-ready is a Packer plugin that makes Linux
// images ready for OpenStack, shows that they are, and publishes them; run by
// hand it inspects an image.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/plugin"

	"github.com/openstack-ready/packer-plugin-openstack-ready/datasource/disk"
	"github.com/openstack-ready/packer-plugin-openstack-ready/datasource/image"
	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/command"
	"github.com/openstack-ready/packer-plugin-openstack-ready/postprocessor"
	"github.com/openstack-ready/packer-plugin-openstack-ready/provisioner"
	"github.com/openstack-ready/packer-plugin-openstack-ready/version"
)

func main() {
	if len(os.Args) > 1 && command.Is(os.Args[1]) {
		os.Exit(runCommand(os.Args[1:]))
	}
	if err := servePacker(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runCommand(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return command.Run(ctx, args, os.Stdout, os.Stderr)
}

// servePacker answers Packer's own verbs.
func servePacker() error {
	// A plugin's log reaches Packer's unfiltered unless the plugin filters it.
	packersdk.LogSecretFilter.SetOutput(os.Stderr)
	log.SetOutput(&packersdk.LogSecretFilter)

	set := plugin.NewSet()
	set.RegisterProvisioner(plugin.DEFAULT_NAME, new(provisioner.Provisioner))
	set.RegisterDatasource(plugin.DEFAULT_NAME, new(disk.Datasource))
	set.RegisterDatasource("image", new(image.Datasource))
	set.RegisterPostProcessor(plugin.DEFAULT_NAME, new(postprocessor.PostProcessor))
	set.SetVersion(version.Plugin())
	return set.Run()
}
