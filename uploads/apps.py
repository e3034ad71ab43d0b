from django.apps import AppConfig


class UploadsConfig(AppConfig):
    name = "uploads"

    def ready(self) -> None:
        from galleries import ports
        from uploads.filling import UploadsFiller

        ports.plug_in(UploadsFiller())
