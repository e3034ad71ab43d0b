from django.apps import AppConfig


class ConfigApp(AppConfig):
    name = "config"
    label = "site_config"

    def ready(self) -> None:
        from config import checks  # noqa: F401  registers the checks
