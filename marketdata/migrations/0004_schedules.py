from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0003_fold_series_syncs"),
    ]

    operations = [
        migrations.CreateModel(
            name="MadeSchedule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.AlterField(
            model_name="syncrun",
            name="kind",
            field=models.CharField(
                choices=[
                    ("manual", "Manual"),
                    ("first", "First"),
                    ("healing", "Healing"),
                    ("schedule", "Schedule"),
                    ("reconcile", "Reconcile"),
                ],
                default="manual",
                max_length=16,
            ),
        ),
    ]
