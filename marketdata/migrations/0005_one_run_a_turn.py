from django.db import migrations, models
from django.db.models import Min, Q


def keep_first_of_a_turn(apps, schema_editor):
    """Of runs that were made twice for one turn of a schedule, the first keeps the turn's key."""
    runs = apps.get_model("marketdata", "SyncRun").objects.filter(kind__in=("schedule", "reconcile"))
    keyed = runs.exclude(idempotency_key=None).order_by()
    firsts = list(keyed.values("idempotency_key").annotate(first=Min("id")).values_list("first", flat=True))
    keyed.exclude(id__in=firsts).update(idempotency_key=None)


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0004_schedules"),
    ]

    operations = [
        migrations.RunPython(keep_first_of_a_turn, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="syncrun",
            constraint=models.UniqueConstraint(
                condition=Q(kind__in=("schedule", "reconcile")),
                fields=("idempotency_key",),
                name="one_run_a_turn_of_a_schedule",
            ),
        ),
    ]
