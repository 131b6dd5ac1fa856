# An image without cloud-init: a small program of the plugin fetches key, host
# name and user data at boot, and grows the root file system.
#
#   packer build -var base_image=alpine.qcow2 example/no-cloud-init

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

variable "base_image" {
  type        = string
  default     = "alpine.qcow2"
  description = "The disk to start from; it is copied, never changed."
}

variable "ssh_private_key_file" {
  type        = string
  default     = ""
  description = "A key that root of the base image accepts."
}

source "qemu" "plain" {
  iso_url          = var.base_image
  iso_checksum     = "none"
  disk_image       = true
  skip_resize_disk = true
  output_directory = "output-no-cloud-init"
  vm_name          = "plain.qcow2"

  cpus           = 1
  memory         = 512
  disk_interface = "virtio"
  net_device     = "virtio-net"
  headless       = true

  ssh_username         = "root"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "15m"
  shutdown_command     = "poweroff"
}

build {
  sources = ["source.qemu.plain"]

  provisioner "openstack-ready" {
    initialisation = "scripts"
    default_user   = "ops"
    network        = "dhcp-all"
    report         = "guest.json"
  }

  post-processor "openstack-ready" {
    guest_report = "guest.json"
    report       = "ready.html"
  }
}
