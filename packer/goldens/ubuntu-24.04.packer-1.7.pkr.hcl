packer {
  required_version = ">= 1.7.0"

  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.0.0"
    }
  }
}

variable "base_image" {
  type        = string
  description = "The ubuntu-24.04 image to start from."
  default     = "https://cloud-images.ubuntu.com/releases/noble/release/x.img"
}

variable "base_checksum" {
  type        = string
  description = "How the base image is checked."
  default     = "file:https://cloud-images.ubuntu.com/releases/noble/release/SHA256SUMS"
}

variable "accelerator" {
  type        = string
  description = "kvm, or tcg where there is no KVM."
  default     = "kvm"
}

variable "cpus" {
  type        = number
  description = "Processors of the build machine."
  default     = 2
}

variable "memory" {
  type        = number
  description = "Memory of the build machine in MiB."
  default     = 2048
}

variable "output" {
  type        = string
  description = "The folder that gets the disk."
  default     = "output"
}

variable "seed" {
  type        = string
  description = "Folder of user-data and meta-data; build.sh puts a key into a copy."
  default     = "cloud-init"
}

variable "ssh_private_key_file" {
  type        = string
  description = "A throw-away key; build.sh makes one for each run."
  default     = ""
}

variable "export_disk" {
  type        = list(string)
  description = "A further disk, such as [\"4096M\"], gets the finished root file system as a tar."
  default     = []
}

source "qemu" "clusteros" {
  accelerator          = var.accelerator
  cpus                 = var.cpus
  memory               = var.memory
  headless             = true
  iso_url              = var.base_image
  iso_checksum         = var.base_checksum
  disk_image           = true
  disk_size            = "8192M"
  disk_interface       = "virtio"
  disk_additional_size = var.export_disk
  format               = "qcow2"
  skip_compaction      = true
  net_device           = "virtio-net"
  output_directory     = var.output
  vm_name              = "lab-ubuntu-24.04-amd64"
  boot_wait            = "1s"
  cd_label             = "CIDATA"

  cd_files = [
    "${var.seed}/user-data",
    "${var.seed}/meta-data",
  ]

  ssh_username         = "clusteros-build"
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "30m"
  shutdown_command     = "sudo sh /tmp/clusteros/provision/leave.sh"
  shutdown_timeout     = "30m"
}

build {
  sources = ["source.qemu.clusteros"]

  # What is uploaded, and where it goes.
  provisioner "shell" {
    inline = ["mkdir -p /tmp/clusteros"]
  }

  provisioner "file" {
    source      = "upload/"
    destination = "/tmp/clusteros"
  }

  # Packages of all layers in one transaction.
  provisioner "shell" {
    inline = ["sudo sh /tmp/clusteros/provision/packages.sh"]
  }

  # 10-base: kernel and first boot
  provisioner "shell" {
    inline = ["sudo sh /tmp/clusteros/provision/apply-layer.sh /tmp/clusteros/layers/10-base"]
  }

  # 20-definition: the files of the definition
  provisioner "shell" {
    inline = ["sudo sh /tmp/clusteros/provision/apply-layer.sh /tmp/clusteros/layers/20-definition"]
  }

  # Once for all: initramfs, boot loader, and away with what belongs to the build.
  provisioner "shell" {
    inline = ["sudo sh /tmp/clusteros/provision/finish.sh"]
  }
}
