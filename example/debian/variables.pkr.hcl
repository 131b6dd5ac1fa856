variable "base_image" {
  type        = string
  default     = "debian-12.qcow2"
  description = "The Debian disk to start from; it is copied, never changed."
}

variable "ssh_private_key_file" {
  type        = string
  default     = ""
  description = "A key that root of the base image accepts."
}

variable "accelerator" {
  type        = string
  default     = "kvm"
  description = "kvm, or tcg where KVM does not work."
}

variable "proxy" {
  type        = string
  default     = env("http_proxy")
  description = "The HTTP proxy that the build VM reaches its packages through; empty for none."
}

variable "output_directory" {
  type        = string
  default     = "output"
  description = "The new folder for the built disk."
}

variable "report_directory" {
  type        = string
  default     = "."
  description = "The folder for the reports."
}

variable "cloud" {
  type        = string
  default     = ""
  description = "The cloud of clouds.yaml to publish in; empty to build and inspect only."
}

variable "image_name" {
  type        = string
  default     = "Debian 12"
  description = "The image's name in Glance."
}
