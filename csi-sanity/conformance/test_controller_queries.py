"""The rest of the controller service: list, get, validate, capacity, expand."""

import os

import pytest

from csi_client.client import GIB, capability, capacity, refused
from csi_client.driver import size_of

RPC = ["UNKNOWN", "CREATE_DELETE_VOLUME", "PUBLISH_UNPUBLISH_VOLUME", "LIST_VOLUMES", "GET_CAPACITY",
       "CREATE_DELETE_SNAPSHOT", "LIST_SNAPSHOTS", "CLONE_VOLUME", "PUBLISH_READONLY", "EXPAND_VOLUME",
       "LIST_VOLUMES_PUBLISHED_NODES", "VOLUME_CONDITION", "GET_VOLUME", "SINGLE_NODE_MULTI_WRITER", "MODIFY_VOLUME",
       "GET_SNAPSHOT"]


def test_the_controller_offers_what_it_serves_and_nothing_else(driver):
    reply = driver.client.call("Controller.ControllerGetCapabilities")
    assert {RPC[entry.rpc.type] for entry in reply.capabilities} == {
        "CREATE_DELETE_VOLUME", "LIST_VOLUMES", "GET_VOLUME", "VOLUME_CONDITION", "GET_CAPACITY",
        "SINGLE_NODE_MULTI_WRITER", "EXPAND_VOLUME"}


# ListVolumes.

def pages(driver, size):
    token, found = "", []
    while True:
        reply = driver.client.call("Controller.ListVolumes", max_entries=size, starting_token=token)
        assert size == 0 or len(reply.entries) <= size
        found.append([entry.volume.volume_id for entry in reply.entries])
        token = reply.next_token
        if not token:
            return found


def test_an_empty_registry_lists_nothing(isolated):
    reply = isolated.client.call("Controller.ListVolumes")
    assert (list(reply.entries), reply.next_token) == ([], "")


def test_the_list_shows_each_volume_as_it_was_created(driver):
    volume = driver.create(size=GIB)
    entries = driver.client.call("Controller.ListVolumes").entries
    assert [entry.volume for entry in entries if entry.volume.volume_id == volume.volume_id] == [volume]


@pytest.mark.parametrize("size", [0, 1, 3, 7, 1000])
def test_pages_hold_every_volume_once(isolated, size):
    path = f"file://{isolated.source()}"
    created = {isolated.create(path=path).volume_id for _ in range(7)}
    listed = [identifier for page in pages(isolated, size) for identifier in page]
    assert len(listed) == len(set(listed)) and set(listed) == created


def test_pages_stay_stable_while_volumes_come_and_go(isolated):
    path = f"file://{isolated.source()}"
    created = [isolated.create(f"page-{number}", path=path).volume_id for number in range(6)]
    first = isolated.client.call("Controller.ListVolumes", max_entries=3)
    shown = [entry.volume.volume_id for entry in first.entries]
    # A volume of the page that was shown goes, and so does the one that the next page would begin with.
    rest = sorted(set(created) - set(shown))
    isolated.delete(shown[0])
    isolated.delete(rest[0])
    isolated.create("page-0a", path=path)
    second = isolated.client.call("Controller.ListVolumes", starting_token=first.next_token)
    listed = [entry.volume.volume_id for entry in second.entries]
    assert not set(listed) & set(shown)
    assert set(rest[1:]) <= set(listed)
    assert len(listed) == len(set(listed))


def test_a_token_survives_a_restart_of_the_plugin(isolated):
    path = f"file://{isolated.source()}"
    created = {isolated.create(path=path).volume_id for _ in range(4)}
    first = isolated.client.call("Controller.ListVolumes", max_entries=2)
    isolated.restart()
    second = isolated.client.call("Controller.ListVolumes", starting_token=first.next_token)
    assert {entry.volume.volume_id for entry in [*first.entries, *second.entries]} == created


@pytest.mark.parametrize("token", ["nonsense", "-1", "999999", "é", "../..", "A" * 4096])
def test_a_token_that_was_never_given_is_aborted(driver, token):
    with refused("ABORTED", naming="starting_token"):
        driver.client.call("Controller.ListVolumes", starting_token=token)


def test_a_negative_page_size_is_refused(driver):
    with refused("INVALID_ARGUMENT", naming="max_entries"):
        driver.client.call("Controller.ListVolumes", max_entries=-1)


# ControllerGetVolume.

def test_a_volume_is_shown_with_a_healthy_condition(driver):
    volume, _, _ = driver.published()
    reply = driver.client.call("Controller.ControllerGetVolume", volume_id=volume.volume_id)
    assert reply.volume == volume
    assert not reply.status.volume_condition.abnormal and reply.status.volume_condition.message


def test_an_unknown_volume_is_not_found(driver):
    with refused("NOT_FOUND", naming="nobody"):
        driver.client.call("Controller.ControllerGetVolume", volume_id="nobody")


# ValidateVolumeCapabilities.

def test_capabilities_that_the_volume_has_are_confirmed(driver):
    volume = driver.create()
    asked = [capability("SINGLE_NODE_SINGLE_WRITER"), capability("MULTI_NODE_READER_ONLY")]
    reply = driver.client.call("Controller.ValidateVolumeCapabilities", volume_id=volume.volume_id,
                               volume_capabilities=asked, volume_context=dict(volume.volume_context))
    assert list(reply.confirmed.volume_capabilities) == asked
    assert dict(reply.confirmed.volume_context) == dict(volume.volume_context)


def test_a_capability_that_the_volume_lacks_is_not_confirmed_and_the_message_says_why(driver):
    volume = driver.create()
    reply = driver.client.call("Controller.ValidateVolumeCapabilities", volume_id=volume.volume_id,
                               volume_capabilities=[capability(), capability(block=True)])
    assert not reply.HasField("confirmed") and "block" in reply.message.lower()


def test_validation_of_an_unknown_volume_is_not_found(driver):
    with refused("NOT_FOUND"):
        driver.client.call("Controller.ValidateVolumeCapabilities", volume_id="nobody",
                           volume_capabilities=[capability()])


def test_parameters_of_another_volume_are_not_confirmed(driver):
    volume = driver.create()
    reply = driver.client.call("Controller.ValidateVolumeCapabilities", volume_id=volume.volume_id,
                               volume_capabilities=[capability()], parameters={"path": f"file://{driver.source()}"})
    assert not reply.HasField("confirmed") and reply.message


# GetCapacity.

def test_capacity_without_arguments_answers(driver):
    assert driver.client.call("Controller.GetCapacity").available_capacity >= 0


def test_capacity_of_a_path_is_what_the_file_system_has_left(driver, small_disk):
    reply = driver.client.call("Controller.GetCapacity", parameters={"path": f"file://{small_disk}"})
    assert reply.available_capacity == size_of(small_disk)[0]


def test_no_capacity_is_available_for_what_is_not_offered(driver):
    reply = driver.client.call("Controller.GetCapacity", volume_capabilities=[capability(block=True)],
                               parameters={"path": f"file://{driver.ufs}"})
    assert reply.available_capacity == 0


def test_capacity_with_an_unknown_parameter_is_refused(driver):
    with refused("INVALID_ARGUMENT", naming="'path'"):
        driver.client.call("Controller.GetCapacity", parameters={"paht": f"file://{driver.ufs}"})


# ControllerExpandVolume.

def expand(driver, volume, **fields):
    return driver.client.call("Controller.ControllerExpandVolume", volume_id=volume.volume_id, **fields)


def test_an_expanded_volume_has_at_least_what_was_required(driver):
    volume = driver.create(size=GIB)
    assert expand(driver, volume, capacity_range=capacity(3 * GIB)).capacity_bytes == 3 * GIB
    shown = driver.client.call("Controller.ControllerGetVolume", volume_id=volume.volume_id).volume
    assert shown.capacity_bytes == 3 * GIB


def test_expanding_again_to_the_same_size_succeeds(driver):
    volume = driver.create(size=GIB)
    for _ in range(2):
        assert expand(driver, volume, capacity_range=capacity(2 * GIB)).capacity_bytes == 2 * GIB


def test_a_volume_that_is_already_larger_keeps_its_size(driver):
    volume = driver.create(size=2 * GIB)
    assert expand(driver, volume, capacity_range=capacity(GIB)).capacity_bytes == 2 * GIB


def test_a_limit_below_the_volume_is_out_of_range(driver):
    volume = driver.create(size=2 * GIB)
    with refused("OUT_OF_RANGE"):
        expand(driver, volume, capacity_range=capacity(0, GIB))


def test_expansion_of_an_unknown_volume_is_not_found(driver):
    with refused("NOT_FOUND"):
        driver.client.call("Controller.ControllerExpandVolume", volume_id="nobody", capacity_range=capacity(GIB))


def test_an_expansion_survives_a_restart_of_the_plugin(isolated):
    volume = isolated.create(size=GIB)
    expand(isolated, volume, capacity_range=capacity(5 * GIB))
    isolated.restart()
    shown = isolated.client.call("Controller.ControllerGetVolume", volume_id=volume.volume_id).volume
    assert shown.capacity_bytes == 5 * GIB


def test_the_size_that_the_controller_granted_is_seen_in_the_pod_after_node_expansion(driver):
    volume = driver.create(path=f"file://{driver.source()}", size=GIB, provisioning="directory",
                           directoryPattern="${volume.id}")
    target = driver.publish(volume)
    available = size_of(driver.ufs)[1]
    assert size_of(target)[1] == min(GIB, available)
    reply = expand(driver, volume, capacity_range=capacity(2 * GIB))
    if reply.node_expansion_required:
        driver.client.call("Node.NodeExpandVolume", volume_id=volume.volume_id, volume_path=str(target),
                           capacity_range=capacity(2 * GIB))
    assert size_of(target)[1] == min(2 * GIB, available)
    assert os.path.ismount(target)
