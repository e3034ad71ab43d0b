from django.apps import AppConfig


class UploadsConfig(AppConfig):
    name = "uploads"

    def ready(self) -> None:
        from galleries import ports
        from galleries.objects.base import on_store_call
        from uploads.events import count_store_call
        from uploads.filling import UploadsFiller

        ports.plug_in(UploadsFiller())
        on_store_call.append(count_store_call)
