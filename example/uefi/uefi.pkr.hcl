# An image that starts by UEFI: Packer boots it with OVMF, and the property
# hw_firmware_type = uefi comes from what the disk then holds.
#
#   packer build -var base_image=debian-12-uefi.qcow2 example/uefi

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
  default     = "debian-12-uefi.qcow2"
  description = "A disk with a GPT and an EFI system partition; it is copied, never changed."
}

variable "ssh_private_key_file" {
  type        = string
  default     = ""
  description = "A key that root of the base image accepts."
}

variable "firmware" {
  type        = string
  default     = "/usr/share/OVMF/OVMF_CODE_4M.fd"
  description = "The firmware's code, of the Debian package ovmf."
}

variable "firmware_variables" {
  type        = string
  default     = "/usr/share/OVMF/OVMF_VARS_4M.fd"
  description = "The firmware's variables; they are copied."
}

source "qemu" "uefi" {
  iso_url          = var.base_image
  iso_checksum     = "none"
  disk_image       = true
  skip_resize_disk = true
  output_directory = "output-uefi"
  vm_name          = "uefi.qcow2"

  machine_type      = "q35"
  efi_boot          = true
  efi_firmware_code = var.firmware
  efi_firmware_vars = var.firmware_variables

  cpus           = 2
  memory         = 1024
  disk_interface = "virtio"
  net_device     = "virtio-net"
  headless       = true

  ssh_username         = "root"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "15m"
  shutdown_command     = "systemctl poweroff"
}

build {
  sources = ["source.qemu.uefi"]

  provisioner "openstack-ready" {
    report = "guest.json"
  }

  post-processor "openstack-ready" {
    guest_report = "guest.json"
    report       = "ready.html"
    properties = {
      # A flavor's firmware can enforce signatures where the loader has them.
      os_secure_boot = "optional"
    }
  }
}
