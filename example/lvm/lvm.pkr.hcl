# An image whose root is on a logical volume. cloud-init grows no volume, so the
# provisioner adds a unit that grows partition, physical volume, logical volume
# and file system at boot; auto_disk_config becomes False.
#
#   packer build -var base_image=centos-10-lvm.qcow2 example/lvm

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
  default     = "centos-10-lvm.qcow2"
  description = "A disk whose last partition is a physical volume of LVM; it is copied, never changed."
}

variable "ssh_private_key_file" {
  type        = string
  default     = ""
  description = "A key that the login account of the base image accepts."
}

source "qemu" "lvm" {
  iso_url          = var.base_image
  iso_checksum     = "none"
  disk_image       = true
  skip_resize_disk = true
  output_directory = "output-lvm"
  vm_name          = "lvm.qcow2"

  cpus           = 2
  memory         = 2048
  disk_interface = "virtio"
  net_device     = "virtio-net"
  headless       = true

  # Any account whose sudo asks for no password will do.
  ssh_username         = "cloud-user"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "15m"
  shutdown_command     = "sudo systemctl poweroff"
}

build {
  sources = ["source.qemu.lvm"]

  provisioner "openstack-ready" {
    report = "guest.json"
  }

  post-processor "openstack-ready" {
    guest_report = "guest.json"
    report       = "ready.html"
  }
}
