#!/usr/bin/python
# Copyright: The envinspect developers
# MIT License (see LICENSE or https://opensource.org/license/mit)
"""Documents the action plugin of the same name, which does the work on the controller."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
---
module: environment_facts
short_description: Says where a host runs, and why that is believed
description:
  - Asks the host through its shell which machine, virtual machine, container and cloud it runs in.
  - The host needs a POSIX shell and no Python; nothing is written there.
  - This is an action plugin. It has to be a task, or called ad hoc; C(gather_facts) cannot call it.
  - The Python of the controller needs the package C(envinspect).
author:
  - The envinspect developers (@envinspect)
options:
  answers:
    description:
      - Folder on the controller for the whole answers, one file C(HOST.json) a host. It is made where it is missing.
      - C(envinspect fleet) reads this folder.
    type: path
  captures:
    description:
      - Folder on the controller for captures, one file C(HOST.tar.gz) a host, which C(envinspect --from) reads.
      - Serial numbers, UUIDs, MAC addresses and names are taken out of them. A capture that is there is kept.
    type: path
attributes:
  check_mode:
    support: full
    description: Asks the host, and writes no file.
  diff_mode:
    support: none
    description: Nothing is changed on the host.
  platform:
    support: full
    platforms: posix
    description: Hosts with a POSIX shell.
extends_documentation_fragment: []
"""

EXAMPLES = r"""
- name: Ask every host where it runs
  envinspect.envinspect.environment_facts:

- name: Keep the whole answers for envinspect fleet
  envinspect.envinspect.environment_facts:
    answers: answers/

- name: Do something on virtual machines only
  ansible.builtin.debug:
    msg: "{{ ansible_facts.envinspect.summary }}"
  when: "'vm' in ansible_facts.envinspect.kinds"
"""

RETURN = r"""
ansible_facts:
  description: What was found.
  returned: success
  type: dict
  contains:
    envinspect:
      description: Where the host runs, in short.
      type: dict
      returned: success
      contains:
        summary:
          description: One sentence.
          type: str
          returned: success
          sample: Docker container in a Firecracker virtual machine (KVM)
        determined:
          description: Whether enough could be read to tell.
          type: bool
          returned: success
        bare_metal:
          description: Whether no virtual machine is around the host, and enough was read to say so.
          type: bool
          returned: success
        layers:
          description: Ids of the layers, outermost first.
          type: list
          elements: str
          returned: success
          sample: [firecracker, docker]
        kinds:
          description: Kinds of the layers, outermost first.
          type: list
          elements: str
          returned: success
          sample: [vm, container]
        cloud:
          description: Id of the cloud, null where nothing speaks for one.
          type: str
          returned: success
          sample: aws
        orchestrator:
          description: Id of what started the innermost container, null where nothing speaks for one.
          type: str
          returned: success
          sample: kubernetes
answer:
  description: File with the whole answer.
  returned: when O(answers) is given
  type: str
capture:
  description: File with the capture.
  returned: when O(captures) is given
  type: str
"""

from ansible.module_utils.basic import AnsibleModule


def main():
    """Say that the action plugin of this name has to be called."""
    module = AnsibleModule(
        argument_spec={"answers": {"type": "path"}, "captures": {"type": "path"}}, supports_check_mode=True
    )
    module.fail_json(msg="environment_facts runs on the controller: call it as a task, not through gather_facts")


if __name__ == "__main__":
    main()
