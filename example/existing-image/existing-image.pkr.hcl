# An image that Packer did not build is inspected, proved by a start of a copy if
# that is asked for, and published where a cloud is named. The disk itself is
# never changed.
#
#   packer build -var disk=debian-12.qcow2 -var cloud=mycloud example/existing-image

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

variable "cloud" {
  type        = string
  default     = ""
  description = "The cloud of clouds.yaml to publish in; empty to inspect only."
}

variable "image_name" {
  type        = string
  default     = "Debian 12"
  description = "The image's name in Glance."
}

variable "on_unmet" {
  type        = string
  default     = "fail"
  description = "What a requirement that is not met does: fail, or warn."
}

variable "prove" {
  type        = bool
  default     = false
  description = "Whether a copy is started in QEMU first."
}

variable "report" {
  type        = string
  default     = "ready.html"
  description = "The file for the report; its suffix decides its form."
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
      report     = var.report

      dynamic "prove" {
        for_each = var.prove ? ["once"] : []
        content {
          via = ["config-drive"]
        }
      }

      dynamic "cloud" {
        for_each = var.cloud == "" ? [] : [var.cloud]
        content {
          name = cloud.value
        }
      }
    }
  }
}
