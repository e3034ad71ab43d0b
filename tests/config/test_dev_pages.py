"""Pages for whoever works on the product are not there for anybody else."""


def test_the_page_of_every_state_is_not_served_without_debug(client, db):
    assert client.get("/dev/states/").status_code == 404
