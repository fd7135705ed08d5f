from django.db import migrations, models


def mark(apps, schema_editor):
    """Those that were registered offline before there was a word for it."""
    symbols = apps.get_model("symbols", "Symbol").objects
    symbols.filter(status="unresolved", status_reason__startswith="registered offline").update(status="offline")


class Migration(migrations.Migration):
    dependencies = [
        ("symbols", "0001_initial"),
    ]

    operations = [
        migrations.AlterField(
            model_name="symbol",
            name="status",
            field=models.CharField(
                choices=[
                    ("active", "Active"),
                    ("unresolved", "Unresolved"),
                    ("offline", "Offline"),
                    ("retired", "Retired"),
                ],
                default="active",
                max_length=16,
            ),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
