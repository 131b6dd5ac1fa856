# Packer's integrations page reads this file.
integration {
  name        = "OpenStack Ready"
  description = "Makes Linux images ready for OpenStack, inspects them, and publishes them in Glance."
  identifier  = "packer/openstack-ready/openstack-ready"
  flags       = ["hcp-ready"]
  docs {
    process_docs    = true
    readme_location = "./README.md"
    external_url    = "https://github.com/openstack-ready/packer-plugin-openstack-ready"
  }
  component {
    type = "provisioner"
    name = "OpenStack Ready"
    slug = "openstack-ready"
  }
  component {
    type = "post-processor"
    name = "OpenStack Ready"
    slug = "openstack-ready"
  }
  component {
    type = "data-source"
    name = "OpenStack Ready"
    slug = "openstack-ready"
  }
  component {
    type = "data-source"
    name = "OpenStack Ready Image"
    slug = "openstack-ready-image"
  }
}
