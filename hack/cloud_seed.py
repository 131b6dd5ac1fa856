"""Projects, users and catalogue of the cloud that cloud.sh starts.

cloud_seed.py AUTH_URL REGION=GLANCE_URL...

The password of all users is read from OS_PASSWORD. Run again, it changes only
what differs.
"""

import os
import sys

import openstack

auth_url = sys.argv[1]
regions = dict(argument.split("=", 1) for argument in sys.argv[2:])
password = os.environ["OS_PASSWORD"]

identity = openstack.connect(
    load_yaml_config=False,
    load_envvars=False,
    auth_url=auth_url,
    username="admin",
    password=password,
    project_name="admin",
    user_domain_id="default",
    project_domain_id="default",
    region_name="RegionOne",
).identity


def project(name):
    found = identity.find_project(name)
    return found or identity.create_project(name=name, domain_id="default")


def user(name):
    found = identity.find_user(name)
    return found or identity.create_user(
        name=name, password=password, domain_id="default"
    )


def role(name):
    return identity.find_role(name) or identity.create_role(name=name)


def grant(who, where, *roles):
    for name in roles:
        identity.assign_project_role_to_user(where, who, role(name))


def region(name):
    if name not in [known.id for known in identity.regions()]:
        identity.create_region(id=name)


def service():
    found = identity.find_service("glance")
    return found or identity.create_service(name="glance", type="image")


def endpoint(of, interface, where, url):
    known = [
        found
        for found in identity.endpoints(service_id=of.id, interface=interface)
        if found.region_id == where
    ]
    if not known:
        identity.create_endpoint(
            service_id=of.id, interface=interface, region_id=where, url=url
        )
    elif known[0].url != url:
        identity.update_endpoint(known[0], url=url)


demo = project("demo")
grant(user("admin"), demo, "admin")
grant(user("member"), demo, "member")
grant(user("importer"), demo, "member", "importer")
grant(user("guest"), project("guest"), "member")
grant(user("glance"), project("service"), "admin")
glance = service()
for name, url in regions.items():
    region(name)
    for interface in ("public", "internal", "admin"):
        endpoint(glance, interface, name, url)
