"""Images on vSphere: settings as people have them, and the plan they become.

merge([layer, layer])             ->  one set of settings, each value with its place; later layers win
filled(layers, around)            ->  the same with {{user `x`}} and its like filled in
plan_build(layers, around)        ->  BuildPlan, or every fault at once
plan_appliance(layers, around)    ->  AppliancePlan, or every fault at once
"""
