packer {
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.0.9"
    }
    openstack-ready = {
      source  = "github.com/openstack-ready/openstack-ready"
      version = ">= 0.1.0"
    }
  }
}

source "qemu" "debian" {
  iso_url      = var.base_image
  iso_checksum = "none"
  disk_image   = true
  # The disk stays as small as the base image: a flavor must hold it whole, and
  # the root file system grows at boot. Without this it becomes 40 GiB.
  skip_resize_disk = true

  vm_name          = "debian.qcow2"
  output_directory = var.output_directory

  accelerator    = var.accelerator
  cpu_model      = var.accelerator == "kvm" ? "host" : "max"
  cpus           = 2
  memory         = 1024
  disk_interface = "virtio"
  disk_discard   = "unmap"
  net_device     = "virtio-net"
  headless       = true
  # The builder's own choice listens on every address of this machine.
  qemuargs = [["-netdev", "user,id=user.0,hostfwd=tcp:127.0.0.1:{{ .SSHHostPort }}-:22"]]

  ssh_username         = "root"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "15m"
  shutdown_command     = "systemctl poweroff"
}

locals {
  # Only where the build VM reaches its packages through a proxy; the option may
  # be left out elsewhere.
  execute_command = "{{if not .Root}}sudo -n {{end}}env http_proxy='${var.proxy}' {{.Command}}"
}

build {
  sources = ["source.qemu.debian"]

  provisioner "openstack-ready" {
    execute_command = local.execute_command
    report          = "${var.report_directory}/guest-first.json"
  }

  # Not needed in a template of yours: a second run shows that the first left
  # nothing to do.
  provisioner "openstack-ready" {
    execute_command = local.execute_command
    report          = "${var.report_directory}/guest.json"
  }

  post-processor "openstack-ready" {
    image_name   = var.image_name
    guest_report = "${var.report_directory}/guest.json"
    report       = "${var.report_directory}/report.json"

    dynamic "cloud" {
      for_each = var.cloud == "" ? [] : [var.cloud]
      content {
        name = cloud.value
      }
    }
  }
}
