# A base image with another root and firmware, made ready without cloud-init or
# with it, and proved on a disk four times its size. Used by hack/roots.sh.

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

variable "base_image" { type = string }
variable "ssh_private_key_file" { type = string }
variable "accelerator" { type = string }
variable "directory" { type = string }
variable "uefi" { type = bool }
variable "initialisation" { type = string }

source "qemu" "root" {
  iso_url          = var.base_image
  iso_checksum     = "none"
  disk_image       = true
  skip_resize_disk = true
  output_directory = "${var.directory}/output"
  vm_name          = "root.qcow2"

  accelerator       = var.accelerator
  cpu_model         = var.accelerator == "kvm" ? "host" : "max"
  machine_type      = var.uefi ? "q35" : "pc"
  efi_boot          = var.uefi
  efi_firmware_code = var.uefi ? "/usr/share/OVMF/OVMF_CODE_4M.fd" : null
  efi_firmware_vars = var.uefi ? "/usr/share/OVMF/OVMF_VARS_4M.fd" : null
  cpus              = 2
  memory            = 1024
  disk_interface    = "virtio"
  net_device        = "virtio-net"
  headless          = true
  # The builder's own choice listens on every address of this machine.
  qemuargs = [["-netdev", "user,id=user.0,hostfwd=tcp:127.0.0.1:{{ .SSHHostPort }}-:22"]]

  ssh_username         = "root"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "20m"
  shutdown_command     = "systemctl poweroff"
}

build {
  sources = ["source.qemu.root"]

  provisioner "openstack-ready" {
    initialisation = var.initialisation
    report         = "${var.directory}/guest.json"
  }

  post-processor "openstack-ready" {
    guest_report = "${var.directory}/guest.json"
    report       = "${var.directory}/report.json"

    prove {
      disk_size = "8G"
      log_dir   = "${var.directory}/proof"
      timeout   = "40m"
    }
  }
}
