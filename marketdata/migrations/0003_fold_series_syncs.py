from django.db import migrations


def forget_old_retries(apps, schema_editor):
    """Runs try again by themselves; the task that these schedules would call is gone."""
    apps.get_model("django_q", "Schedule").objects.filter(func="marketdata.tasks.sync_series").delete()


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0002_sync_runs"),
        ("django_q", "0017_task_cluster_alter"),
    ]

    operations = [
        migrations.RunPython(forget_old_retries, migrations.RunPython.noop),
        migrations.DeleteModel(name="SeriesSync"),
    ]
