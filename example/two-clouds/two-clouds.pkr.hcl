# One disk, two clouds, read once and sent to both side by side: raw where the
# images lie in Ceph, qcow2 where they lie in files. The two newest images stay
# in use in each cloud; older ones are renamed and hidden.
#
#   packer build -var disk=debian-12.qcow2 -var ceph=cloud-a -var files=cloud-b example/two-clouds

packer {
  required_plugins {
    openstack-ready = {
      source  = "github.com/openstack-ready/openstack-ready"
      version = ">= 0.1.0"
    }
  }
}

variable "disk" {
  type        = string
  default     = "debian-12.qcow2"
  description = "The disk image: qcow2, raw, VMDK, VHD, VHDX or VDI."
}

variable "ceph" {
  type        = string
  default     = "ceph"
  description = "The cloud of clouds.yaml that takes the image as raw."
}

variable "files" {
  type        = string
  default     = "files"
  description = "The cloud of clouds.yaml that takes the image as qcow2."
}

variable "image_name" {
  type        = string
  default     = "Debian 12"
  description = "The image's name in both clouds."
}

variable "on_unmet" {
  type        = string
  default     = "fail"
  description = "What a requirement that is not met does: fail, or warn."
}

source "null" "existing" {
  communicator = "none"
}

build {
  sources = ["source.null.existing"]

  post-processors {
    post-processor "artifice" {
      files = [var.disk]
    }
    post-processor "openstack-ready" {
      image_name = var.image_name
      on_unmet   = var.on_unmet

      cloud {
        name        = var.ceph
        disk_format = "raw"
      }
      cloud {
        name        = var.files
        disk_format = "qcow2"
      }

      retire {
        keep   = 2
        rename = true
        hide   = true
      }
    }
  }
}
